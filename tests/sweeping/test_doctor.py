"""Doctor finds what is wrong with an installation, and says what to do about it."""

import importlib.metadata
from pathlib import Path

import pytest
from hydra.core.plugins import Plugins

from seqsweep.cli import main
from seqsweep.sweeping import doctor
from seqsweep.sweeping.doctor import (
    Finding,
    check_devices,
    check_engine,
    check_folder,
    check_packages,
    check_plugins,
)


def requiring(monkeypatch, *lines):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: list(lines))
    return list(check_packages())[1:]


def test_installed_packages_are_compared_with_the_required_versions(monkeypatch):
    assert requiring(monkeypatch, "numpy>=1") == [
        Finding("ok", "package", f"numpy {importlib.metadata.version('numpy')}")
    ]
    [old] = requiring(monkeypatch, "numpy>=99")
    assert old.state == "fault" and "must be >=99; pip install 'numpy>=99'" in old.text
    [missing] = requiring(monkeypatch, "nobody-has-this>=2")
    assert missing.text == "nobody-has-this is missing; pip install 'nobody-has-this>=2'"


def test_a_missing_extra_is_a_note_with_the_command_that_installs_it(monkeypatch):
    lines = ['nobody-has-this>=2; extra == "data"', 'pytest; extra == "dev"']
    [note] = requiring(monkeypatch, *lines)
    assert note.state == "note"
    assert note.text == "data: nobody-has-this is missing; pip install 'seqsweep[data]'"


def test_a_plugin_that_hydra_does_not_find_is_a_fault(monkeypatch):
    assert {finding.state for finding in check_plugins()} == {"ok"}
    monkeypatch.setattr(Plugins, "discover", lambda self, kind=None: [])
    sweeper, launcher = check_plugins()
    assert sweeper.state == launcher.state == "fault"
    assert "SeqsweepSweeper is missing; install seqsweep again" in sweeper.text


def test_a_missing_library_is_a_note(monkeypatch):
    monkeypatch.setenv("SEQSWEEP_NATIVE", "off")
    [finding] = check_engine()
    assert finding.state == "note"


def test_devices_are_counted():
    cpu, gpu = check_devices()
    assert cpu.state == gpu.state == "ok" and "cores" in cpu.text


def test_a_folder_is_tried_and_left_as_it_was(tmp_path):
    [finding] = check_folder(tmp_path / "outputs" / "deep")
    assert finding.state in ("ok", "note") and str(tmp_path) in finding.text
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_a_fault(tmp_path):
    (tmp_path / "outputs").write_text("")
    [finding] = check_folder(tmp_path / "outputs")
    assert finding == Finding(
        "fault", "folder", f"{tmp_path / 'outputs'} is not a folder; choose another folder:"
        " output_dir=...",
    )  # fmt: skip


def test_a_folder_that_cannot_be_written_is_a_fault(tmp_path, monkeypatch):
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    [finding] = check_folder(tmp_path)
    assert finding.state == "fault" and "Permission denied" in finding.text


def run_doctor(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *arguments])
    return ended.value.code


def test_a_healthy_installation_trains_once_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_doctor() == 0
    printed = capsys.readouterr().out
    assert "training      test accuracy" in printed and printed.endswith("no faults found\n")
    assert list(tmp_path.iterdir()) == []


def test_a_check_that_fails_is_a_fault_and_the_others_run(monkeypatch, capsys):
    def broken():
        raise RuntimeError("no such thing")
        yield

    monkeypatch.setattr(doctor, "check_plugins", broken)
    monkeypatch.setattr(doctor, "check_training", broken)
    assert run_doctor() == 1
    printed = capsys.readouterr().out
    assert "fault  hydra         RuntimeError: no such thing" in printed and "engine" in printed
    assert printed.endswith("2 faults found\n")


def test_a_wrong_option_is_refused(capsys):
    assert run_doctor("--outputdir", "x") == 2
    assert "--outputdir: no such option of seqsweep doctor" in capsys.readouterr().err

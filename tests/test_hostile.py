"""Hostile input runs no code and writes nothing outside the output folder."""

import io
import os
import pickle
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typed_commands
import yaml
from run_files import SMALL
from typed_commands import Command

from seqsweep.config.schema import Config
from seqsweep.models.module import SequenceClassifier
from seqsweep.runs.identity import flatten
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.training.checkpoint_files import load_sealed, save_sealed, seal
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train

TRAIN = (*SMALL, "trainer.max_epochs=2")


command = typed_commands.command


class Place:
    """A working folder with outputs/, the only writable part, and a marker for code that ran."""

    def __init__(self, root: Path, command: Command) -> None:
        self.root, self.command = root, command
        self.here = root / "a" / "b" / "here"
        self.here.mkdir(parents=True)
        self.marker = root / "marker"

    @contextmanager
    def unharmed(self) -> Generator[None]:
        """Checks that no code ran and that nothing outside here/outputs changed."""
        before = self.outside()
        yield
        assert not self.marker.exists(), "code of the input has run"
        assert self.outside() == before

    def outside(self) -> dict[str, bytes | None]:
        outputs = self.here / "outputs"
        paths = (p for p in self.root.rglob("*") if not p.is_relative_to(outputs))
        return {str(path): path.read_bytes() if path.is_file() else None for path in paths}

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command, composes_once: None
) -> Place:
    place = Place(tmp_path, command)
    monkeypatch.chdir(place.here)
    return place


class Malice:
    """An object that writes the marker when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.marker),)


def archive(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


NAMES = (
    "../../x", "..", ".git", "/ROOT/elsewhere", "a\\b", "~", "a\n", "a\0b", "", "-rf",
    "$(touch marker)", "\x1b]0;x\x07", "ä", "a" * 300,
)  # fmt: skip


def quoted(name: str) -> str:
    """Returns a value that Hydra reads as exactly this text, except for interpolations."""
    backslashed = name.replace("\\", "\\\\") if name.endswith("\\") else name
    return "'" + backslashed.replace("'", "\\'").replace("$", "\\$") + "'"


@pytest.mark.sampled(8, 12)
@pytest.mark.parametrize("key", ["name", "sweep.name"])
@pytest.mark.parametrize("name", NAMES)
def test_a_name_cannot_lead_out_of_the_output_folder(place: Place, key: str, name: str) -> None:
    """The command refuses the name in one line, before it writes anything."""
    value = quoted(name.replace("/ROOT", str(place.root)))
    sweep = ["-m"] if key == "sweep.name" else []
    with place.unharmed():
        said = place.command("train", *sweep, *TRAIN, f"{key}={value}")
    assert said.code == 2, said
    assert said.err.startswith("seqsweep: ")
    assert said.err.count("\n") == 1
    # Only the system can say that a name is too long.
    assert len(name) > 255 or not (place.here / "outputs").exists()
    assert "\x1b" not in said.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "names"),
    [("name", "good,../../x"), ("sweep.name", "good,other"), ("output_dir", "good,../../x")],
)
def test_a_swept_name_stays_in_the_sweeps_folder(place: Place, key: str, names: str) -> None:
    """Either the sweep is refused, or one folder, the one it prints, has all its runs."""
    with place.unharmed():
        said = place.command("train", "-m", *TRAIN, f"{key}={names}")
    assert "did not complete" not in said.out
    assert said.code in (0, 2), said
    records = list(place.root.rglob("record.json"))
    folders = {path.parent.parent for path in records}
    assert len(folders) == (said.code == 0)
    assert {folder.parent for folder in folders} <= {place.here / "outputs" / "sweeps"}


def test_a_pickled_job_is_never_loaded(place: Place) -> None:
    path = place.write("job.pickle", pickle.dumps(Malice(place.marker)))
    for arguments in ([f"--experimental-rerun={path}"], ["--experimental-rerun", str(path)]):
        with place.unharmed():
            said = place.command("train", *arguments)
        assert said.code == 2 and "pickle" in said.err


TAGS = ("!!python/object/apply:os.mkdir ['MARKER']", "!!python/module:os")


@pytest.mark.parametrize("tag", TAGS)
def test_a_yaml_tag_in_a_config_runs_no_code(place: Place, tag: str) -> None:
    text = f"# @package _global_\nname: {tag.replace('MARKER', str(place.marker))}\n"
    place.write("mine/experiment/evil.yaml", text)
    with place.unharmed():
        said = place.command("train", "--config-dir", "mine", *TRAIN, "experiment=evil")
    assert said.code == 2, said
    assert "Traceback" not in said.err


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, checked: Callable[..., Config]) -> Path:
    """A finished run, trained once for all tests. Tests copy it and do not change it."""
    return train(plan(checked(*TRAIN)), tmp_path_factory.mktemp("trained")).folder.path


@pytest.fixture
def run(place: Place, trained: Path) -> Path:
    """A copy of the finished run in here/outputs/runs/default."""
    folder = place.here / "outputs" / "runs" / "default" / trained.name
    return shutil.copytree(trained, folder)


@pytest.mark.parametrize("verb", ["status", "reproduce"])
@pytest.mark.parametrize("tag", TAGS)
def test_a_yaml_tag_in_a_saved_config_runs_no_code(
    place: Place, run: Path, verb: str, tag: str
) -> None:
    (run / "config.yaml").write_text(f"name: {tag.replace('MARKER', str(place.marker))}\n")
    with place.unharmed():
        said = place.command(verb, str(run))
    assert "Traceback" not in said.err
    assert said.code in (0, 2), said


@pytest.mark.parametrize(
    "source",
    [
        {"_target_": "os.mkdir", "path": "MARKER"},
        {"_target_": "torch.load", "f": "EVIL", "weights_only": False},
        {"_target_": "evil_module.anything"},
        {"_target_": "seqsweep.data.readers.os.mkdir", "path": "MARKER"},
        "${oc.create:{_target_:os.mkdir,path:'MARKER'}}",
    ],
    ids=str,
)
def test_a_foreign_target_in_a_saved_config_is_not_built(
    place: Place, run: Path, source: dict[str, Any] | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = place.write("evil.pickle", pickle.dumps(Malice(place.marker)))
    place.write("evil_module.py", f"open({str(place.marker)!r}, 'w')\n")
    monkeypatch.syspath_prepend(place.here)
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"]["source"] = source
    text = yaml.safe_dump(config, width=1000)
    text = text.replace("MARKER", str(place.marker)).replace("EVIL", str(evil))
    (run / "config.yaml").write_text(text)
    with place.unharmed():
        said = place.command("reproduce", str(run))
    assert said.code == 2, said
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("cell", ["evil_module.Cell", "os.system"])
def test_a_foreign_cell_in_a_saved_config_is_not_imported(
    place: Place,
    run: Path,
    cell: str,
    checked: Callable[..., Config],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place.write("evil_module.py", f"open({str(place.marker)!r}, 'w')\n")
    monkeypatch.syspath_prepend(place.here)
    file, checkpoint = run / "config.yaml", run / "checkpoints" / "best.ckpt"
    config = yaml.safe_load(file.read_text())
    config["model"] = checked(*TRAIN, "model=rnn")["model"] | {"cell": cell}
    file.write_text(yaml.safe_dump(config))
    SweepFile((), 0.0, {"0" * 16: dict(flatten(config))}).write(place.here / "outputs")
    save_sealed(load_sealed(checkpoint) | {"config": config}, checkpoint)
    copy = shutil.copy(checkpoint, place.here / "outputs")  # without the config of its folder
    with place.unharmed():
        bundle, work = ["bundle", copy, "--out", "outputs/b.zip"], ["work", "outputs"]
        for words in (["reproduce", run], ["evaluate", run], bundle, work):
            said = place.command(*map(str, words))
            assert said.code == 2 and f"give --allow {cell}" in said.err, said
        with pytest.raises(ValueError, match=f"its cell is {cell}, so it must be given"):
            SequenceClassifier.load_from_checkpoint(copy)


SEALS: dict[str, Callable[[Any], bytes]] = {
    "bare pickle": lambda content: pickle.dumps(content),
    "archive": archive,
    "sealed archive": lambda content: seal(archive(content)),
    "sealed pickle": lambda content: seal(pickle.dumps(content, protocol=2) + b"\0\0"),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", ["last", "previous"])
@pytest.mark.parametrize("how", SEALS.values(), ids=SEALS)
def test_resuming_runs_no_code_of_a_checkpoint(
    place: Place, run: Path, how: Callable[[Any], bytes], name: str
) -> None:
    """The run seems unfinished, so it resumes from a checkpoint or starts again."""
    (run / "record.json").unlink()
    if name == "previous":
        (run / "checkpoints" / "last.ckpt").unlink()
    content = {
        "epoch": 0, "global_step": 3, "pytorch-lightning_version": "2.6.1",
        "state_dict": Malice(place.marker), "loops": {}, "callbacks": {}, "files": {},
    }  # fmt: skip
    (run / "checkpoints" / f"{name}.ckpt").unlink(missing_ok=True)
    (run / "checkpoints" / f"{name}.ckpt").write_bytes(how(content))
    with place.unharmed():
        said = place.command("train", *TRAIN)
    assert "weights_only" not in said.out + said.err
    assert said.code == 0, said
    assert (run / "record.json").is_file()


@pytest.mark.parametrize("how", SEALS.values(), ids=SEALS)
def test_reproducing_runs_no_code_of_a_checkpoint(
    place: Place, run: Path, how: Callable[[Any], bytes]
) -> None:
    path = run / "checkpoints" / "best.ckpt"
    path.unlink()
    path.write_bytes(how({"state_dict": Malice(place.marker)}))
    with place.unharmed():
        said = place.command("reproduce", str(run))
    assert said.code == 2, said
    assert path.name in said.err
    assert said.err.count("\n") == 1
    assert "weights_only" not in said.err


def test_the_file_list_of_a_checkpoint_cannot_lead_out_of_the_run(place: Place, run: Path) -> None:
    """A checkpoint names the log files to truncate, and their lengths."""
    victim = place.root / "victim"
    victim.write_bytes(b"not to be cut")
    (run / "record.json").unlink()
    last = run / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    depth = os.path.relpath(victim, run)
    content["files"] |= {str(victim): 1, depth: 1}
    last.unlink()
    last.write_bytes(seal(archive(content)))
    with place.unharmed():
        said = place.command("train", *TRAIN)
    assert said.code == 0, said


@pytest.mark.parametrize("name", ["metrics.csv", "config.yaml", "lock"])
def test_a_link_out_of_the_output_folder_is_not_followed(
    place: Place, run: Path, name: str
) -> None:
    victim = place.root / "victim"
    victim.write_bytes(b"x" * 100_000)
    (run / "record.json").unlink()
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(victim)
    with place.unharmed():
        place.command("train", *TRAIN)


FILES = (
    "report.html", "report.csv", "report.json", "baselines.json", ".stop",
    ".workers.json", ".running-host-1", "sweep.log", "search.json", "RUN/config.yaml",
    "RUN/provenance.json", "RUN/metrics.csv", "RUN/train.log", "RUN/diagnostics.json",
    "RUN/failure.json", "RUN/loggers.json", "RUN/EVENTS",
    "RUN/checkpoints/best.ckpt", "RUN/checkpoints/last.ckpt", "RUN/checkpoints/previous.ckpt",
    "RUN/checkpoints/next.ckpt", "RUN/record.json", "RUN/lock",
)  # fmt: skip
"""The names in a sweep's folder of two runs; EVENTS is the name of a run's event file."""

SWEEP = ("train", "-m", *TRAIN, "seed=0,1", "sweep.name=s", "trainer.max_epochs=1")


class Others:
    """Files that belong to somebody else, beside the sweep's folder. Links lead there."""

    def __init__(self, place: Place) -> None:
        self.folder = place.root / "others"
        (self.folder / "checkpoints").mkdir(parents=True)
        self.sweep = place.here / "outputs" / "sweeps" / "s"
        names = ("record.json", "metrics.csv", "train.log", ".a.1-2.tmp", "notes", "lock")
        for name in (*names, *(f"checkpoints/{name}.ckpt" for name in ("best", "last", "mine"))):
            (self.folder / name).write_text("of another")
        for path in (*self.folder.rglob("*"), self.folder):
            os.utime(path, (1e9, 1e9))

    def link(self, path: Path, kind: str) -> None:
        """Replaces a file or a folder by a link."""
        targets = {"file": "notes", "folder": ".", "nothing": "none", "loop": path}
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(self.folder / targets[kind])

    def state(self) -> dict[str, tuple[float, bytes | None]]:
        """Returns the time and the content of each file and folder."""
        return {
            str(path): (path.stat().st_mtime, path.read_bytes() if path.is_file() else None)
            for path in (self.folder, *self.folder.rglob("*"))
        }


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the first test keeps a copy of its sweep for the others."""
    return tmp_path_factory.mktemp("swept") / "outputs"


@pytest.fixture
def others(place: Place, swept: Path) -> Others:
    if swept.exists():
        shutil.copytree(swept, place.here / "outputs")
    else:
        assert place.command(*SWEEP).code == 0
        shutil.copytree(place.here / "outputs", swept)
    return Others(place)


@pytest.mark.slow
@pytest.mark.sampled(4, 8)
@pytest.mark.parametrize("kind", ["file", "folder", "nothing", "loop"])
@pytest.mark.parametrize("verb", ["sweep", "work", "clean", "report"])
def test_no_link_in_place_of_a_file_is_followed(
    place: Place, others: Others, kind: str, verb: str
) -> None:
    """A link under each of the names, in a sweep with a run that is not done."""
    runs = sorted(path.parent for path in others.sweep.glob("*/record.json"))
    paths = {"RUN/EVENTS": next(runs[0].glob("events*.rows"))}
    for name in FILES:
        path = paths.get(name) or others.sweep / name.replace("RUN", runs[0].name)
        others.link(path, kind)
    (runs[1] / "record.json").unlink()
    before = others.state()
    arguments = {
        "sweep": SWEEP,
        "work": ("work", str(others.sweep), "--threads", "1"),
        "clean": ("clean", str(others.sweep), "--failed", "--incomplete", "--checkpoints", "--yes"),
        "report": ("report", str(others.sweep)),
    }[verb]
    for _ in range(2):
        said = place.command(*arguments)
        assert said.code in (0, 1, 2), said
        assert "Traceback" not in said.err
        assert others.state() == before


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", ["file", "folder", "nothing", "loop"])
@pytest.mark.parametrize("name", ["RUN", "RUN/checkpoints"])
def test_a_run_behind_a_link_is_refused_where_it_would_be_written(
    place: Place, others: Others, kind: str, name: str
) -> None:
    done, left = sorted(path.parent for path in others.sweep.glob("*/record.json"))
    (left / "record.json").unlink()
    link = others.sweep / name.replace("RUN", left.name)
    others.link(link, kind)
    others.link(others.sweep / name.replace("RUN", done.name), kind)
    before = others.state()
    for arguments in (SWEEP, ("work", str(others.sweep))):
        said = place.command(*arguments)
        assert said.code == 2, said
        assert "symbolic link" in said.err.splitlines()[-1]  # of a loop, the system says so
    for option in ("--checkpoints", "--incomplete", "seed=0", "seed=1"):
        said = place.command("clean", str(others.sweep), option, "--yes")
        assert said.code in (0, 2), said
    for verb in ("report", "status", "leaderboard"):
        place.command(verb, str(others.sweep))
    assert others.state() == before
    assert link.is_symlink()


def test_the_folders_above_a_sweep_and_a_complete_run_may_be_links(place: Place) -> None:
    """The link leads to a larger disk. TensorBoard's files of a run behind it stay as they are."""
    disk = place.root / "disk"
    disk.mkdir()
    place.here.joinpath("outputs").symlink_to(disk)
    assert place.command(*SWEEP).code == 0
    sweep = place.here / "outputs" / "sweeps" / "s"
    shutil.move(sweep, disk / "sweep")
    sweep.symlink_to(disk / "sweep")
    run = next(sweep.glob("*/record.json")).parent
    shutil.move(run, disk / "run")
    run.symlink_to(disk / "run")
    files = {path: path.stat().st_mtime_ns for path in (disk / "run").rglob("*")}
    said = place.command(*SWEEP)
    assert said.code == 0 and "2 of 2 runs complete" in said.out, said
    assert place.command("work", str(sweep)).code == 0
    assert {path: path.stat().st_mtime_ns for path in (disk / "run").rglob("*")} == files


@pytest.mark.parametrize("key", ["X", "class_names", "more"])
def test_a_pickled_array_in_npz_data_is_not_loaded(place: Place, key: str) -> None:
    arrays: dict[str, Any] = {"X": np.ones((10, 4, 2)), "y": np.arange(10) % 2}
    arrays[key] = np.array([Malice(place.marker)] * 10, dtype=object)
    np.savez(place.here / "evil.npz", **arrays)
    with place.unharmed():
        said = place.command(
            "train", "data=npz", "data.source.path=evil.npz", "data.batch_size=2",
            "trainer.max_epochs=1", "trainer.accelerator=cpu", "model.hidden_size=2",
        )  # fmt: skip
    if key == "more":  # no key of ours: not even read
        assert said.code == 0, said
    else:
        assert said.code == 2, said
        assert "never loaded" in said.err
        assert "allow_pickle" not in said.err


@pytest.mark.parametrize("name", ["evil.npz", "evil.csv"])
def test_a_pickle_in_place_of_a_data_file_is_not_loaded(place: Place, name: str) -> None:
    place.write(name, pickle.dumps(Malice(place.marker)))
    with place.unharmed():
        said = place.command("train", "data=npz", f"data.source.path={name}")
    assert said.code == 2, said
    assert "allow_pickle" not in said.err

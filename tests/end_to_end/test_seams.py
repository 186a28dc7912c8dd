"""A package outside of `src` has each part that a user can write; docs/extend.md shows it."""

import importlib.metadata
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import SLOWLY
from waiting import wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SEAMS = ROOT / "tests" / "seams"
CONF = ("--config-dir", "conf")
SWEEP = ("train", "-m", *CONF, "data=waves", "model.cell=rnn,mine.cells.Leaky", "seed=0,1",
         "trainer.max_epochs=3", "sweep.name=own")  # fmt: skip
ALLOW = ("--allow", "mine.cells.Leaky", "--allow", "mine.sources.waves")


@pytest.fixture(autouse=True)
def mine(tmp_path: Path) -> Path:
    """The package and its configs in the current folder."""
    shutil.copytree(SEAMS, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def installed(mine: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Installs the package as pip does: with a folder that lists its entry points."""
    project = tomllib.loads((mine / "pyproject.toml").read_text())["project"]
    folder = mine / "{name}-{version}.dist-info".format(**project)
    folder.mkdir()
    (folder / "METADATA").write_text("Name: {name}\nVersion: {version}\n".format(**project))
    ((group, points),) = project["entry-points"].items()
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (folder / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(mine)
    forget_entry_points()
    for module in ("mine", "mine.sections"):  # another test has imported it from its own folder
        monkeypatch.delitem(sys.modules, module, raising=False)
    yield mine
    forget_entry_points()


def forget_entry_points() -> None:
    """Clears the cache with which conftest.py makes many calls of `main` fast."""
    cached: Any = importlib.metadata.entry_points
    cached.cache_clear()


def test_a_killed_sweep_is_completed_reported_with_the_own_section_and_predicts(
    start_command, seqsweep, command, installed
):
    process = start_command(*SWEEP, before=SLOWLY)
    wait_until(lambda: list(installed.rglob("record.json")), process)
    process.kill()
    process.communicate()
    again = seqsweep(*SWEEP)
    assert again.code == 0 and "4 of 4 runs complete" in again.out, again
    sweep = installed / "outputs/sweeps/own"
    assert command("report", sweep).code == 0
    page = (sweep / "report.html").read_text(encoding="utf-8")
    assert '<section id="of-slowest">' in page and "<p>The slowest config is " in page
    np.savez(installed / "new.npz", X=np.zeros((2, 30, 1)))
    predicted = seqsweep("predict", str(sweep), "new.npz", *ALLOW)
    assert predicted.code == 0 and "id,prediction,p_slow,p_fast" in predicted.out, predicted


def test_a_section_that_fails_is_left_out_with_a_line(command, seqsweep, installed):
    assert seqsweep(*SWEEP[:4], "model.cell=rnn", "trainer.max_epochs=1").code == 0
    (installed / "mine/sections.py").write_text("def slowest(report):\n    return report['no']\n")
    (folder,) = (installed / "outputs/sweeps").iterdir()
    done = command("report", folder)
    expected = "report: without the section slowest of mine.sections:slowest: KeyError: 'no'"
    assert (done.code, done.err) == (0, f"seqsweep: {expected}\n")
    assert "of-slowest" not in (folder / "report.html").read_text(encoding="utf-8")


def test_a_module_with_its_metric_is_swept_and_ranked_by_it(seqsweep, mine):
    own = ("model=gru", "data=sines", "monitor=val/bits", "monitor_mode=min")
    done = seqsweep("train", "-m", *CONF, *own, "model.net.hidden_size=2,4", "trainer.max_epochs=2")
    assert done.code == 0 and "2 of 2 runs complete" in done.out, done
    assert "val/bits" in done.out and "test/bits" in done.out


def test_a_network_a_callback_and_a_logger_take_part_in_a_run(seqsweep, mine):
    done = seqsweep(
        "train", *CONF, "data=waves", "model=mean", "callbacks=norm", "logger=lines",
        "trainer.max_epochs=2",
    )  # fmt: skip
    assert done.code == 0, done
    (run,) = (mine / "outputs/runs/default").glob("*/record.json")
    assert b"weights/norm" in b"".join(p.read_bytes() for p in run.parent.glob("events.out*"))
    rows = [json.loads(line) for line in (mine / "lines.jsonl").read_text().splitlines()]
    assert [row.get("epoch") for row in rows[1:]] == [0, 1, 2]
    assert rows[0]["name"] == "default"


def test_the_page_shows_each_file_and_a_module_knows_nothing_of_us():
    page = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", page, re.M | re.S))
    paths = [path for path in SEAMS.rglob("*.*") if path.suffix != ".pyc"]
    files = {path.relative_to(SEAMS).as_posix(): path.read_text() for path in paths}
    assert len(files) > 10 and {name: shown.get(name) for name in files} == files
    assert "seqsweep" not in files["mine/modules.py"]

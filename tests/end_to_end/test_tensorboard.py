"""A sweep in TensorBoard as a user sees it, in Chromium and with the fast loader."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import finish_run
from waiting import wait_until

from seqsweep.runs.events import EventFile

GRID = ("data=digits", "model.hidden_size=8,16,32", "model.num_layers=1,2",
        "model.bidirectional=false,true", "seed=0,1")  # fmt: skip
QUICKLY = ("sweep.name=mine", "sweep.report=false", "hydra/launcher=local")
SERVE = """
import sys
from pathlib import Path
from seqsweep.results.tensorboard.serve import serve
try:
    say = lambda line: print(line, flush=True)
    sys.exit(serve(Path(sys.argv[1]), int(sys.argv[2]), images=2, print=say))
except (OSError, ValueError) as error:
    sys.exit(str(error))
"""


def start(folder: Path, port: int = 0, **options: Any) -> subprocess.Popen[str]:
    options = {"env": {**os.environ, "OMP_NUM_THREADS": "1"}} | options
    return subprocess.Popen(
        [sys.executable, "-P", "-c", SERVE, str(folder), str(port)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def first_words(process: subprocess.Popen[str]) -> dict[str, str]:
    """Returns the links by name, which the process prints when it answers requests."""
    assert process.stdout is not None
    found: dict[str, str] = {}
    for line in process.stdout:
        name, _, link = line.strip().partition(" ")
        found[name] = link.strip()
        if line.startswith("press Ctrl-C"):
            return found
    raise AssertionError(process.communicate()[1])


@contextlib.contextmanager
def served(folder: Path) -> Generator[tuple[subprocess.Popen[str], dict[str, str]]]:
    process = start(folder)
    try:
        yield process, first_words(process)
    finally:
        process.kill()
        process.communicate()


def processes(logdir: str) -> list[str]:
    """Returns the commands of all processes that serve a folder of links."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if logdir in command:
                found.append(command)
    return found


def runs_at(address: str) -> list[str]:
    """Returns the names of the runs; none while the server restarts."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/data/runs") as answer:
        return sorted(json.load(answer))
    return []


def logdir_at(address: str) -> str:
    with urllib.request.urlopen(f"{address}/data/environment") as answer:
        return json.load(answer)["data_location"]


class Pages:
    def __init__(self, page: Any) -> None:
        self.page = page

    def open(self, link: str) -> None:
        self.page.goto("about:blank")  # A link that differs only behind # does not load.
        self.page.goto(link)

    def choose(self, menu: str, item: str) -> None:
        self.page.locator(f'paper-dropdown-menu[label="{menu}"]:visible').click()
        self.page.locator("paper-item:visible").get_by_text(item, exact=True).click()

    def table(self) -> list[list[str]]:
        """Returns the rows of HParams from top to bottom, without empty cells."""
        cells = self.page.locator("tf-hparams-table-view vaadin-grid-cell-content:visible")
        found: list[tuple[float, float, str]] = cells.evaluate_all(
            "cells => cells.map(cell => {"
            " const box = cell.getBoundingClientRect();"
            " return [box.y + box.height / 2, box.x, cell.innerText.trim().replace(/\\s+/g, ' ')];"
            "})"
        )
        rows: dict[int, list[tuple[float, str]]] = {}
        for y, x, text in found:
            if text and y > 0:
                rows.setdefault(round(y / 10), []).append((x, text))
        return [[text for _, text in sorted(rows[y])] for y in sorted(rows)]


def check_hparams(pages: Pages, best_first: list[str]) -> None:
    pages.page.get_by_text("h08-L1-bi", exact=True).wait_for()
    pages.choose("Sort by", "val/acc")
    pages.choose("Direction", "Descending")
    pause = pages.page.wait_for_timeout  # the page continues meanwhile
    wait_until(lambda: pause(100) or [row[0] for row in pages.table()[1:]] == best_first)
    pages.page.locator("tf-hparams-query-pane paper-checkbox").first.scroll_into_view_if_needed()
    for title, view in (
        ("PARALLEL COORDINATES", "parallel-coords"),
        ("SCATTER PLOT MATRIX", "scatter-plot-matrix"),
    ):
        pages.page.get_by_text(f"{title} VIEW").click()
        plot = pages.page.locator(f"tf-hparams-{view}-plot svg").first
        for column in ("bidirectional", "hidden_size", "val/acc", "test/acc", "params"):
            plot.get_by_text(column, exact=True).first.wait_for(state="attached")


def check_curves(pages: Pages, names: list[str]) -> None:
    runs = pages.page.locator("runs-selector tb-data-table-content-row")
    runs.nth(len(names) - 1).wait_for()
    assert [run.strip() for run in runs.all_inner_texts()] == names
    colors: list[str] = runs.locator(".run-color-swatch").evaluate_all(
        "colors => colors.map(color => color.style.background)"
    )
    assert colors[0::2] == colors[1::2]
    assert len(set(colors)) > 3
    pages.page.locator("metrics-pinned-view scalar-card").wait_for()
    pages.page.get_by_role("button", name="Settings").last.click()


@pytest.mark.slow
@pytest.mark.browser
def test_tensorboard_shows_the_pages_of_a_sweep_in_a_browser(seqsweep, browser, tmp_path):
    trained = seqsweep("train", "-m", *GRID, "trainer.max_epochs=8", *QUICKLY)
    assert trained.code == 0, trained.err
    folder = tmp_path / "outputs/sweeps/mine"
    names = [f"h{h}-L{n}-{d}-s{s}" for h in ("08", "16", "32") for n in (1, 2)
             for d in ("bi", "uni") for s in (0, 1)]  # fmt: skip
    page = browser.new_page(  # Its picture is 1280 pixels wide.
        viewport={"width": 1600, "height": 1100}, device_scale_factor=0.8, color_scheme="light"
    )
    with served(folder) as (server, links):
        address = links["curves"].removesuffix("/")
        logdir = logdir_at(address)
        wait_until(lambda: runs_at(address) == names)
        pages = Pages(page)
        pages.open(links["hyperparameters"])
        check_hparams(pages, best_first(folder))
        pages.open(links["curves"])
        check_curves(pages, names)
        page.get_by_role("tab", name="IMAGES").click()
        page.get_by_label("Write a regex to filter runs").fill(best_first(folder)[0] + "-s0")
        page.locator("tf-image-loader img:visible").nth(2).wait_for()
        server.send_signal(signal.SIGINT)
        assert server.wait(180) == 0
    wait_until(lambda: not processes(logdir))
    assert not Path(logdir).exists()


def forget_the_rights_of_root() -> None:
    """Makes the next program respect the rights of files, also for root."""
    drop_from_bounding_set, may_write_all = 24, 1
    ctypes.CDLL(None).prctl(drop_from_bounding_set, may_write_all, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.durability
def test_a_folder_that_cannot_be_written_is_shown_and_reported(tmp_path):
    folder = tmp_path / "theirs"
    for size in (4, 8):
        run = finish_run(folder / f"{size:016}", {"seed": 0, "model.hidden_size": size}, 0.5)
        EventFile(run).write([(6, 1.7e9, {"val/acc": 0.5})])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    command = [sys.executable, "-m", "seqsweep", "report", str(folder)]
    given: Any = {"preexec_fn": forget_the_rights_of_root, "capture_output": True, "text": True}
    refused = subprocess.run(command, **given, check=False)
    assert refused.returncode == 2
    assert "--out FILE.html writes the report to another place" in refused.stderr
    subprocess.run([*command, "--out", str(tmp_path / "mine.html")], **given, check=True)
    assert "hidden_size" in (tmp_path / "mine.html").read_text()
    server = start(folder, preexec_fn=forget_the_rights_of_root, start_new_session=True)
    try:
        address = first_words(server)["curves"].removesuffix("/")
        wait_until(lambda: runs_at(address) == ["h4", "h8"])
        logdir = logdir_at(address)
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # as a terminal does, to all processes of a command
        server.communicate()
    assert server.returncode == 143
    wait_until(lambda: not processes(logdir))
    assert not Path(logdir).exists()
    for path in folders:
        path.chmod(0o755)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def best_first(folder: Path) -> list[str]:
    """Returns the configs by their mean over the seeds, from the records alone."""
    scores: dict[str, float] = {}
    for path in folder.glob("*/record.json"):
        record = json.loads(path.read_text())
        size, layers, both = (
            record["config"][f"model.{key}"]
            for key in ("hidden_size", "num_layers", "bidirectional")
        )
        name = f"h{size:02}-L{layers}-{'bi' if both else 'uni'}"
        scores[name] = scores.get(name, 0.0) + record["metrics"]["val/acc"]
    return sorted(scores, key=lambda name: -scores[name])


@pytest.mark.slow
@pytest.mark.durability
def test_a_server_that_is_killed_leaves_no_process_and_no_folder(tmp_path):
    folder = tmp_path / "runs"
    EventFile(finish_run(folder / "0", {"seed": 0, "val/acc": 0.5})).write([(6, 1.7e9, {"a": 0.5})])
    with served(folder) as (server, links):
        address = links["curves"].removesuffix("/")
        wait_until(lambda: len(runs_at(address)) == 1)
        port = int(address.rpartition(":")[2])
        other = start(folder, port)
        refused = f"port={port}: Address already in use; port=0 chooses a free port, and"
        assert refused in other.communicate(timeout=180)[1]
        logdir = logdir_at(address)
        assert len(processes(logdir)) >= 2  # the data server, and the one that removes the folder
        server.kill()
        server.wait()
        wait_until(lambda: not processes(logdir))
    assert not Path(logdir).exists()


@pytest.mark.slow
@pytest.mark.durability
def test_a_command_that_is_killed_while_it_makes_the_folder_leaves_none(tmp_path):
    folder, temporary = tmp_path / "runs", tmp_path / "temporary"
    temporary.mkdir()
    for number in range(200):
        finish_run(folder / f"{number:03}", {"seed": 0, "x": number, "val/acc": 0.5})
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    process = start(folder, env={**os.environ, "TMPDIR": str(temporary)})
    wait_until(lambda: any(temporary.glob("seqsweep-tensorboard-*/*/events*")))
    process.kill()
    process.communicate()
    wait_until(lambda: not list(temporary.iterdir()))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

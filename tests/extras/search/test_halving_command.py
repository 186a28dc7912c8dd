"""A successive halving, interrupted anywhere, comes to the same decisions and bits."""

import contextlib
import io
import itertools
import json
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from seqsweep.config.compose import MemberComposer
from seqsweep.extras.clusters.workers import Workers
from seqsweep.extras.search import session
from seqsweep.extras.search.halving import Halving
from seqsweep.extras.search.halving_command import Searched, search
from seqsweep.extras.search.searchfile import SearchFile
from seqsweep.extras.search.session import LOCK
from seqsweep.extras.search.trials import Tried, read_trials
from seqsweep.runs.lock import Locked, RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.hydra_jobs import RunLauncher, Train
from seqsweep.sweeping.queue import SweepMember
from seqsweep.sweeping.work import Worker
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.engines.native import pool_data as budget
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.limits import Limits
from seqsweep.training.planned_run import Interrupted, plan
from seqsweep.training.train import train

AtRename = Callable[..., AbstractContextManager[list[str]]]
FIXED = (
    "data=random", "data.source.num_sequences=40", "data.source.length=5",
    "data.source.input_size=3", "data.source.num_classes=3", "data.batch_size=8",
    "trainer.accelerator=cpu", "trainer.progress_bar=false", "sweep.report=false",
    "diagnostics=false",
)  # fmt: skip
SPACE = (
    "model.hidden_size=int(interval(3,9))",
    "optimizer.lr=tag(log,interval(0.0001,0.3))",
    "model.cell=rnn,gru",
)
SETTINGS: dict[str, Any] = {
    "population": 8, "rungs": [1, 2, 4], "seed": 0, "top": 1, "seeds": 1
}  # fmt: skip
TIMES = ("train_seconds", "samples_per_s", "digest")
Search = Callable[..., int]


@pytest.fixture
def run(compose: MemberComposer, monkeypatch: pytest.MonkeyPatch) -> Search:
    """Runs the search into a folder."""
    monkeypatch.setattr("sys.argv", ["seqsweep", "train"])

    def call(
        folder: Path, *overrides: str, launcher: RunLauncher | None = None, **settings: Any
    ) -> int:
        halving = Halving(**{**SETTINGS, **settings})
        local = RunLauncher(threads=1)
        console = Console(file=io.StringIO(), width=200)
        given = [*FIXED, *SPACE, *overrides]
        code = search(halving, given, compose, launcher or local, folder, console)
        call.printed = console.file.getvalue()  # type: ignore[attr-defined]
        return code

    return call


def found(folder: Path) -> dict[str, Any]:
    """All that a search has decided and trained, except for times."""
    content = json.loads((folder / "search.json").read_text())
    runs: dict[str, Any] = {}
    for path in sorted(folder.glob("*/config.yaml")):
        run = RunFolder(path.parent)
        record = {k: v for k, v in (run.record() or {}).items() if k not in TIMES}
        states = [load_sealed(each) for each in sorted((run.path / "checkpoints").glob("*.ckpt"))]
        weights = [
            value.numpy().tobytes() for state in states for value in state["state_dict"].values()
        ]
        rows = run.path / "metrics.csv"  # none of a run that failed at once
        runs[run.run_id] = record, weights, rows.read_bytes() if rows.exists() else b""
    return {"search": content, "runs": runs}


def tried(folder: Path) -> list[Tried]:
    file = SearchFile.read(folder)
    assert file is not None
    return read_trials(file, folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {"folder": tmp_path_factory.mktemp("undisturbed") / "a"}


@pytest.fixture
def expected(run: Search, undisturbed: dict[str, Any]) -> dict[str, Any]:
    """The search left alone, once for all tests."""
    if "found" not in undisturbed:
        assert run(undisturbed["folder"]) == 0
        undisturbed["found"] = found(undisturbed["folder"])
    return undisturbed["found"]


def test_a_search_ends_each_run_at_its_rung(expected: Any, undisturbed: Any) -> None:
    file = SearchFile.read(undisturbed["folder"])
    assert file is not None
    trials = tried(undisturbed["folder"])
    assert sorted(trial.epochs for trial in trials) == [1, 1, 1, 1, 2, 2, 4, 4]
    assert (file.method, file.rungs, file.budget) == ("halving", [1, 2, 4], {"trials": 8})
    for trial in trials:
        record = RunFolder(undisturbed["folder"] / trial.run_ids[0]).record()
        assert record is not None
        assert trial.state == record["status"] == ("complete" if trial.epochs == 4 else "pruned")
        assert trial.value == record["metrics"]["val/acc"]
    assert file.space["model.cell"] == {"choices": ["rnn", "gru"]}
    assert not (SweepFile.read(undisturbed["folder"]) or SweepFile((), 0, {}, open=True)).open


def test_the_survivors_equal_the_same_configs_trained_alone(
    expected: Any, undisturbed: Any, compose: MemberComposer, tmp_path: Path
) -> None:
    file = SearchFile.read(undisturbed["folder"])
    assert file is not None
    confirmed = [name for names in file.confirmed.values() for name in names]
    complete = [trial for trial in tried(undisturbed["folder"]) if trial.state == "complete"]
    assert len(confirmed) == 1 and len(complete) == 2
    for trial in complete:
        values = [f"{key}={value}" for key, value in trial.params.items()]
        alone = plan(compose.checked([*FIXED, "trainer.max_epochs=4", *values]))
        assert [alone.run_id] == list(trial.run_ids)
        train(alone, tmp_path)
    got = _runs(tmp_path)
    assert got == {name: expected["runs"][name] for name in got} and len(got) == 2


def _runs(folder: Path) -> dict[str, Any]:
    (folder / "search.json").write_text('{"trials": []}')
    return found(folder)["runs"]


def test_the_same_command_trains_nothing_again(
    run: Search, expected: Any, undisturbed: Any
) -> None:
    class Never(RunLauncher):
        def trainer(self) -> Train:
            raise AssertionError("nothing is left")

    assert run(undisturbed["folder"], launcher=Never(threads=1)) == 0
    assert "0 to train" in run.printed and "16 of 32 epochs" in run.printed  # type: ignore[attr-defined]
    assert found(undisturbed["folder"]) == expected


def test_runs_that_pause_at_rungs_come_to_the_same(
    run: Search, expected: Any, tmp_path: Path
) -> None:
    """Runs of autograd, of several pools and of workers have no pool that asks the judge."""

    class Pausing(RunLauncher):
        def trainer(self) -> Train:
            train = super().trainer()
            return lambda members, folder, judge: train(members, folder, None)

    assert run(tmp_path, launcher=Pausing(threads=1)) == 0
    assert found(tmp_path) == expected


def test_sweep_json_has_the_limits_from_its_first_write(
    run: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that waits for the search reads the file before the first rung is judged."""
    begun: list[list[int | None]] = []
    judge = Searched.judge

    class Looking(RunLauncher):
        def trainer(self) -> Train:
            sweep = SweepFile.read(tmp_path)
            assert sweep is not None
            if sweep.open:  # and not at the fresh seeds
                begun.append([sweep.limits[run_id]["until"] for run_id in sweep.configs])
            return super().trainer()

    def end_at_a_later_rung(searched: Searched) -> Any:
        limits = judge(searched)
        if any(each.until == 2 for each in limits.values()):
            raise Interrupted(signal.SIGTERM)
        return limits

    with monkeypatch.context() as patched:
        patched.setattr(Searched, "judge", end_at_a_later_rung)
        assert run(tmp_path, launcher=Looking(threads=1)) == 143
    assert run(tmp_path, launcher=Looking(threads=1)) == 0
    first, again = begun
    assert first == [1] * 8
    assert sorted(map(str, again)) == ["2"] * 4 + ["None"] * 4


@dataclass
class Threads:
    """A cluster whose workers are threads of this process."""

    options: Sequence[str] = ()
    logs: Path = Path("logs")
    threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def start(self, folder: Path, count: int, command: Sequence[str]) -> str:
        def work() -> None:
            Worker(folder, 1, []).run(20.0)

        # Threads share this process's locks, so a second one would find all runs its own.
        self.threads = [threading.Thread(target=work)]
        self.threads[0].start()
        return "a worker"


@pytest.mark.slow
def test_a_worker_trains_a_search_rung_by_rung(
    run: Search, expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqsweep.extras.clusters.workers._POLL_SECONDS", 0.05)
    monkeypatch.setattr("seqsweep.sweeping.work._LOOK_SECONDS", 0.05)
    monkeypatch.setattr("seqsweep.sweeping.work.sweep_lock", lambda _: memoryview(b""))
    cluster = Threads()
    launcher = RunLauncher(workers=Workers(cluster))
    assert run(tmp_path, launcher=launcher) == 0
    for thread in cluster.threads:
        thread.join()
    assert found(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_search_killed_at_any_rename_comes_to_the_same(
    run: Search,
    expected: Any,
    at_rename: AtRename,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: bool,
) -> None:
    if after:  # with a checkpoint after each epoch, and without
        monkeypatch.setattr(budget, "_LONGEST_SECONDS", 0.0)
    n = 0
    for n in itertools.count(3 if after else 1, 13):
        folder = tmp_path / str(n)
        with at_rename(n, after) as renamed:
            run(folder)
        with at_rename(2 * n, after):
            run(folder)
        assert run(folder) == 0
        assert found(folder) == expected
        if len(renamed) < n:
            break
    assert n > 20


def test_a_run_that_fails_for_good_leaves_the_others(
    run: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = PoolMember.start
    broken: list[str] = []

    def fail(member: PoolMember) -> None:
        if not broken:
            broken.append(member.run_id)
        if member.run_id in broken:
            raise ValueError("broken")
        start(member)

    monkeypatch.setattr(PoolMember, "start", fail)
    assert run(tmp_path, top=0) == 1
    states = {trial.run_ids[0]: trial.state for trial in tried(tmp_path)}
    assert [name for name, state in states.items() if state == "failed"] == broken
    assert sorted(states.values()).count("complete") == 2
    _refers_to_no_command(run)
    before = found(tmp_path)
    monkeypatch.setattr(PoolMember, "start", start)
    assert run(tmp_path, top=0) == 1  # the rung was decided without the run
    assert found(tmp_path) == before
    _refers_to_no_command(run)


def _refers_to_no_command(run: Search) -> None:
    """A command that would train nothing is not suggested."""
    printed = run.printed  # type: ignore[attr-defined]
    assert "the search has gone on without 1 failed run" in printed
    assert "this trains what is missing" not in printed


def test_nothing_is_confirmed_before_the_search_is_over(
    run: Search, expected: Any, tmp_path: Path
) -> None:
    """A command may end while another process trains the last runs."""
    elsewhere: list[str] = []

    class LeavingASurvivor(RunLauncher):
        def trainer(self) -> Train:
            train = super().trainer()

            def leave(members: Sequence[SweepMember], folder: Path, judge: object) -> Any:
                survivors = [m.run_id for m in members if m.limits == Limits()]
                elsewhere.extend(survivors[: 1 - len(elsewhere)])
                return train([m for m in members if m.run_id not in elsewhere], folder, None)

            return leave

    assert run(tmp_path, launcher=LeavingASurvivor(threads=1)) == 1
    file = SearchFile.read(tmp_path)
    assert file is not None and not file.confirmed
    assert [trial.state for trial in tried(tmp_path)].count("complete") == 1
    assert "this trains what is missing" in run.printed  # type: ignore[attr-defined]
    assert run(tmp_path) == 0
    assert found(tmp_path) == expected


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rerun=true", "rerun=true: must be false in a search"),
        ("trainer.check_val_every_n_epoch=2", "the first must be at least 2"),
        ("monitor=val/acc,val/loss", "monitor: must have one value in a search"),
        ("data.source.seed=0,1", "data.source.seed=.: other data than data.source"),
    ],
)
def test_runs_that_cannot_be_judged_are_refused(
    run: Search, tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "a", override)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("overrides", "settings", "message"),
    [
        ([], {"population": 9}, "holds a search with population=8; give another"),
        ([], {"rungs": [1, 4]}, r"holds a search with rungs=\[1, 2, 4\]; give another"),
        (
            ["seed=3"],
            {},
            "holds a search with another config, other data or other code; give another",
        ),
    ],
)
def test_the_folder_of_another_search_is_refused(
    run: Search,
    expected: Any,
    undisturbed: Any,
    overrides: list[str],
    settings: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        run(undisturbed["folder"], *overrides, **settings)
    assert found(undisturbed["folder"]) == expected


def test_launchers_that_cannot_end_runs_early_are_refused(run: Search, tmp_path: Path) -> None:
    for launcher in (
        RunLauncher(),
        RunLauncher(workers=Workers(Threads(), detach=True)),
    ):
        with pytest.raises(ValueError, match=r"hydra.launcher"):
            run(tmp_path, launcher=launcher)


def test_a_second_search_waits_for_the_first(
    run: Search, expected: Any, undisturbed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two judges in one folder would overwrite each other's sweep.json."""
    with contextlib.ExitStack() as first:
        first.enter_context(RunLock(undisturbed["folder"], LOCK))
        with pytest.raises(Locked):
            run(undisturbed["folder"], "when_locked=skip")
        say = session.say

        def say_and_release(line: str, console: Console) -> None:
            say(line, console)
            first.close()

        monkeypatch.setattr(session, "say", say_and_release)
        assert run(undisturbed["folder"]) == 0
    assert "another process searches in" in run.printed  # type: ignore[attr-defined]
    assert found(undisturbed["folder"]) == expected


def test_search_json_and_limits_are_decided_again_by_the_files(
    run: Search, expected: Any, undisturbed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost search.json is written again, with the same decisions."""
    (undisturbed["folder"] / "search.json").unlink()
    assert run(undisturbed["folder"]) == 0
    assert found(undisturbed["folder"]) == expected

"""The columns of the matrix: the runs of each engine, and how they are ended and resumed."""

import builtins
import contextlib
import errno
import io
import os
import random
import signal
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hooked import Hooked
from run_files import SMALL, epochs_in_log

from seqsweep.config.schema import Config
from seqsweep.native.step import Data, Stop, Work, run
from seqsweep.training.engines.native import pool_data
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.resume import forget_finished_runs
from seqsweep.training.train import train_by_autograd, train_pool, train_together

DROPOUT = ("model.num_layers=2", "model.dropout=0.4")
OWN = (*SMALL, "engine=autograd", "trainer.max_epochs=5", "optimizer.lr=0.05")


class Column:
    """Runs of one engine in one folder, which a test ends early, resumes and compares.

    Attributes:
        engine: `pool` and `native` train by the native engine; the others by autograd.
        runs: the planned runs.
    """

    def __init__(
        self, engine: str, runs: list[PlannedRun], root: Path, assert_undisturbed: Any
    ) -> None:
        self.engine, self.runs, self.root = engine, runs, root
        self.assert_undisturbed = assert_undisturbed
        self.folders = [root / run.run_id for run in runs]
        self.folder = self.folders[0]

    def train(self, watcher: Any = None, engine: str | None = None) -> list[Any]:
        """Trains the runs as a new process does; returns an outcome or an error for each."""
        forget_finished_runs()
        if (engine or self.engine) in ("pool", "native"):
            # Neither the order nor the number of threads may change a bit.
            if watcher is None:
                return train_pool(self.runs[::-1], self.root, 2)[::-1]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(pool_data, "run", _calling(watcher))
                return train_pool(self.runs, self.root, 1, watcher)
        (member,) = self.runs
        if watcher is None:
            return [train_by_autograd(member, self.root)]
        return train_together(Hooked(member, self.root, watcher))

    def kill(self, watcher: Any) -> None:
        """Kills the training at a hook; then the program draws random numbers besides."""
        with pytest.raises(BaseException, match=r"^here$") as error:
            self.train(watcher)
        assert error.type is watcher.end
        torch.rand(5)
        np.random.rand(5)
        random.random()

    def resume(self, repeated: int | None = 1, engine: str | None = None) -> list[Outcome]:
        """Trains the runs to their ends; all results must equal those of undisturbed runs.

        No run may train more epochs again than `repeated`; None is for a run that starts again.
        """
        outcomes = self.train(engine=engine)
        assert all(isinstance(outcome, Outcome) for outcome in outcomes), outcomes
        self.assert_undisturbed(self.runs, self.root, engine)
        for folder in self.folders:
            epochs = epochs_in_log(folder)
            assert repeated is None or len(epochs) - len(set(epochs)) <= repeated, epochs
        return outcomes


def _calling(watcher: Any) -> Any:
    """Calls the watcher after each task, whose weights have changed but do not count yet."""

    def step(works: list[Work], train: Data, val: Data | None, stop: Stop) -> Any:
        results = run(works, train, val, stop)
        watcher.on_step()
        if watcher.left == 0 and isinstance(watcher.end, signal.Signals):
            while not stop.is_set():
                pass
            run(works, train, val, stop)  # stops at once
        return results

    return step


@pytest.fixture
def column(
    checked: Callable[..., Config],
    members_of: Callable[..., list[PlannedRun]],
    mixed_members: list[PlannedRun],
    plan_style: Callable[..., PlannedRun],
    assert_undisturbed: Any,
    saves_each_epoch: None,
    tmp_path: Path,
) -> Callable[..., Column]:
    """Makes a column of the matrix: `column("autograd", "scheduler=step", root=folder)`.

    `pool` has two runs, and without overrides eight that differ in all that a run can have. `own`
    has a data module and a network of the user. `module` is a LightningModule in one of its
    styles; without a style it has five epochs. Other single runs have dropout.
    """

    def call(
        engine: str, *overrides: str, root: Path = tmp_path,
        style: str | None = None, **arguments: object,
    ) -> Column:  # fmt: skip
        if engine == "module":
            default = ("ClassifyLit of partials", "trainer.max_epochs=5")
            runs = [plan_style(*((style,) if style else default), *overrides)]
        elif engine == "own":
            data = {"_target_": "noisy_data.Data", **arguments}
            sections = {"data": data, "model": {"_target_": "noisy_data.Net"}}
            runs = [plan(checked(*OWN, *overrides) | sections)]
        elif engine == "pool":
            runs = members_of(*overrides)[:2] if overrides else mixed_members
        else:
            own = (f"engine={engine}", "data.eval_batch_size=4", *DROPOUT)
            runs = members_of(*own, *overrides, members=[()])
        return Column(engine, runs, root, assert_undisturbed)

    return call


@pytest.fixture
def diverging() -> tuple[str, ...]:
    return (
        "optimizer=sgd", "optimizer.lr=1000", "optimizer.momentum=0.0", "model.num_layers=2",
        "model.nonlinearity=relu", "trainer.gradient_clip_val=null", "trainer.max_epochs=20",
        "data.batch_size=24", "data.val_fraction=0", "monitor=train/loss",
    )  # fmt: skip


CHANGES = {
    (builtins, "open"): 0, (io, "open"): 0, (os, "open"): 0, (os, "mkdir"): 0, (os, "rmdir"): 0,
    (os, "unlink"): 0, (os, "remove"): 0, (os, "truncate"): 0, (os, "ftruncate"): 0,
    (os, "link"): 1, (os, "rename"): 1, (os, "replace"): 1,
}  # fmt: skip
"""The functions that change a file, with the index of its name among the arguments."""

NEED_SPACE = ("open", "mkdir", "link")


def _writes(how: Any) -> bool:
    """Returns whether a file that is opened with this mode or these flags may change."""
    return bool(how & os.O_CREAT if isinstance(how, int) else set(str(how)) & set("wax+"))


@pytest.fixture
def fault_at(
    killed: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> Callable[[int, str], AbstractContextManager[list[str]]]:
    """`with fault_at(3, "denied") as calls:` lets the third call fail that changes a file.

    After a `kill` no further call changes a file, and a file that this call has opened is empty. A
    `full disk` refuses, from the call on, all that needs space; `denied` refuses this call. A
    killed process would leave its lock and temporary files; this one removes them.
    """

    @contextlib.contextmanager
    def failing(n: int, fault: str) -> Generator[list[str]]:
        calls = list[str]()

        def fail(function: str) -> None:
            if fault == "kill":
                raise killed("here")
            if fault == "full disk" and function in NEED_SPACE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if fault == "denied" and len(calls) == n:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        def counted(function: str, index: int, original: Callable[..., Any]) -> Any:
            def call(*arguments: Any, **options: Any) -> Any:
                name = os.path.basename(str(arguments[index]))
                how = arguments[1] if len(arguments) > 1 else options.get("mode", "r")
                is_end = "lock" in name or (function == "unlink" and name.endswith(".tmp"))
                if is_end or (function == "open" and not _writes(how)):
                    return original(*arguments, **options)
                calls.append(f"{function} {name}")
                if fault == "kill" and len(calls) == n:
                    made = original(*arguments, **options)
                    if function == "open":
                        os.close(made) if isinstance(made, int) else made.close()
                if len(calls) >= n:
                    fail(function)
                return original(*arguments, **options)

            return call

        with monkeypatch.context() as patch:
            for (module, function), index in CHANGES.items():
                original = getattr(module, function)
                patch.setattr(module, function, counted(function, index, original))
            with contextlib.suppress(killed):
                yield calls

    return failing

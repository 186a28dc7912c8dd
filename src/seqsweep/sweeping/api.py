"""Defines the functions `train` and `sweep`, which do what `seqsweep train` does."""

import signal
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from seqsweep.command import Command
from seqsweep.config.from_overrides import (
    check_again,
    compose,
    compose_sweep,
    hydra_errors_explained,
    hydra_set_aside,
    words_of,
)
from seqsweep.config.schema import Config
from seqsweep.console import PlainConsole
from seqsweep.errors import ConfigError, Interrupted, raised_as
from seqsweep.sweeping.app import run, train_run
from seqsweep.sweeping.resolvers import absolute_path, folder_name
from seqsweep.training.fed_loggers import forget_errors
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun, plan


@raised_as(ConfigError)
def train(config: Config | str | Iterable[str]) -> dict[str, Any]:
    """Trains one run below `output_dir`/runs/`name`, unless it is done already.

    Prints notes on the data, as the command does, and a progress bar on a terminal.

    Args:
        config: the result of `compose`, whose values may have been changed since; or overrides, as
            `compose` takes them.

    Returns:
        The run's record, as in record.json (`status`, `metrics`, `best_epoch`, ...), and its
        `folder`, which `load_run` takes. The record of a run that diverged has no metrics.

    Raises:
        ConfigError, DataError, OSError: the config or the data are refused; nothing was trained.
        RunFailed: the training failed; failure.json in the run's folder holds the traceback.
        RunLocked: another process trains this run, and the config says `when_locked: skip`.
        KeyboardInterrupt, SystemExit: Ctrl-C or another signal came; the same call resumes the run.
    """
    planned = plan(check_again(config) if isinstance(config, dict) else compose(config))
    name = folder_name(planned.config["name"], "name")
    root = Path(absolute_path(planned.config["output_dir"])) / "runs" / name
    outcome = train_in(planned, root, PlainConsole())
    if outcome.trained:
        # Imported here, because a run that is complete already needs no torch.
        from seqsweep.training.resume import forget_finished_runs

        # A later run with more epochs may continue this run, so the list of runs is read again.
        forget_finished_runs()
    record = {name: value for name, value in outcome.record.content.items() if name != "digest"}
    return record | {"folder": str(outcome.folder.path)}


def train_in(planned: PlannedRun, root: Path, console: Console) -> Outcome:
    """Trains a run below `root`, unless it is done already.

    It raises the same errors as `train`.

    Args:
        console: prints notes on the data, and a progress bar on a terminal.
    """
    forget_errors()
    try:
        outcome = train_run(planned, root, console)
    except Interrupted as error:
        raise error_of_signal(error.exit_code) from error
    if outcome.signum is not None:
        raise error_of_signal(128 + outcome.signum)
    return outcome


@raised_as(ConfigError)
def sweep(*overrides: str | Iterable[str]) -> Path:
    """Trains the missing runs of a sweep and prints its leaderboard.

    It does what `seqsweep train -m` does. A failed run does not stop the others: it leads to a
    warning at the end, and the result of `load_sweep` shows the run's state.

    Args:
        overrides: the overrides of a command line, one by one or as a list; `seed=0,1` and
            `model.cell=rnn,gru` span a grid.

    Returns:
        The sweep's folder, which `load_sweep` and `load_curves` take.

    Raises:
        ConfigError, DataError, OSError: a config or the data are refused; nothing was trained.
        KeyboardInterrupt, SystemExit: Ctrl-C or another signal came; the same call trains what is
            missing.
    """
    words = words_of(overrides)
    with hydra_errors_explained(), hydra_set_aside():
        folder = Path(compose_sweep(words).hydra.sweep.dir)
        # A person would type this. The path is absolute, so that ddp can start the program.
        program = str(Path(sys.executable).with_name("seqsweep"))
        # A program cannot answer a question on a terminal. The caller's overrides take precedence.
        code = run(Command(), ["-m", "sweep.ask_above=null", *words], program)
    if code >= 128:
        raise error_of_signal(code)
    if code:
        warnings.warn(f"{folder}: not everything of the sweep is complete", stacklevel=2)
    return folder


def error_of_signal(exit_code: int) -> BaseException:
    """Returns the error for a signal's exit code: KeyboardInterrupt or SystemExit."""
    if exit_code == 128 + signal.SIGINT:
        return KeyboardInterrupt()
    return SystemExit(exit_code)

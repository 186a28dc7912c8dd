"""Runs `seqsweep train` as a Hydra application; wrong input gives one clear message."""

import contextlib
import functools
import logging
import os
import shlex
import time
import traceback
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import cast

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from seqsweep.command import Command, current, how_to_sweep, is_first_process, restore_subcommand
from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import OWN, VERSION_BASE, flags_first
from seqsweep.config.messages import explain, with_place
from seqsweep.config.schema import check
from seqsweep.config.shape.options import refuse_sweep
from seqsweep.config.typed_files import typed_words
from seqsweep.console import (
    PlainConsole,
    is_terminal_closed,
    joined,
    place,
    print_lines,
    print_notes,
    say_error,
    shows_table,
)
from seqsweep.errors import Interrupted, RunFailed, RunLocked, is_of_machine
from seqsweep.importing import without_collections
from seqsweep.output_log import OutputLog
from seqsweep.results.folder_tables import print_folder
from seqsweep.runs.events import event_files
from seqsweep.runs.files import JsonObject, read_object, remove_empty_root
from seqsweep.runs.ledger import read_folder, read_run
from seqsweep.runs.lock import is_locked
from seqsweep.runs.metrics import metrics_in, monitor_of_config, own_metrics
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.baselines import majority_shares
from seqsweep.sweeping.estimates import engine_notes
from seqsweep.sweeping.habits import with_meant
from seqsweep.sweeping.resolvers import refuse_ignored
from seqsweep.text import number
from seqsweep.training.fed_loggers import feed_done, forget_errors
from seqsweep.training.outcome import Outcome, finished, interruptible, monitored
from seqsweep.training.planned_run import PlannedRun, plan
from seqsweep.training.run_data import data_of

logging.raiseExceptions = False  # Hydra may log into a pipe whose reader has ended


def run(command: Command, arguments: list[str], program: str | None = None) -> int:
    """Composes the configs and trains one run or a sweep.

    Args:
        command: the subcommand and its options; gets what the runs leave for its end.
        arguments: the words after the subcommand, without these options.
        program: the program that a person would type, if a Python program calls this. Errors are
            then raised instead of printed as messages.

    Returns:
        The exit code: 0, 1 if a run failed or is locked, 2 for wrong input, or 128 plus the number
        of a signal.
    """
    given = [f"--{name}" for name in command.options]
    forget_errors()
    with contextlib.ExitStack() as end:
        try:
            own = [*(OWN if command.name == "train" else ()), *given]
            words = flags_first(arguments, command.name, own)
            end.enter_context(command.running(words, program))
            with _hydra_raises(), typed_words(words):
                hydra.main(config_path=str(CONF_DIR), config_name="train", **VERSION_BASE)(task)()
            if command.error is not None:
                raise command.error
            if command.swept is not None:  # our own sweepers print their leaderboards themselves
                entries = read_folder(command.swept, of_all_versions=True)
                print_folder(PlainConsole(), command.swept, entries)
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        except Interrupted as error:
            say_error(f"{error}; the same command resumes from the last epoch")
            return error.exit_code
        except Exception as error:
            is_accepted = isinstance(error, (RunFailed, RunLocked)) or is_of_machine(error)
            if not is_accepted:
                command.answer = None
            typed = [command.name, *arguments, *given]
            message = _explained(error, typed) if program is None else None
            if message is None:
                raise
            if os.environ.get("HYDRA_FULL_ERROR") == "1":
                traceback.print_exc()
            # Line breaks of a value that was typed would look like another message.
            say_error(message if is_accepted else message.replace("\n", r"\n"))
            return 1 if is_accepted else 2
    return 0


@contextlib.contextmanager
def _hydra_raises() -> Generator[None]:
    """Makes Hydra raise errors in the block instead of printing them.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C, even if Hydra then raised another error.
    """
    full_error = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    except Exception as error:
        before: BaseException | None = error
        seen: list[BaseException] = []
        while before is not None and before not in seen:  # an error can be its own cause
            if isinstance(before, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            seen.append(before)
            before = before.__cause__ or before.__context__
        raise
    finally:
        del os.environ["HYDRA_FULL_ERROR"]
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error


def _explained(error: Exception, words: Sequence[str]) -> str | None:
    """Returns the message for an error that needs no traceback; else None."""
    if isinstance(error, BrokenPipeError):  # the reader of the output has gone; see cli.py
        return None
    if isinstance(error, (RunFailed, RunLocked)):
        return str(error)
    if isinstance(error, yaml.YAMLError):
        return " ".join(str(error).split())
    if isinstance(error, UnicodeDecodeError):
        return f"a YAML file of the configs must be saved as UTF-8: {error}"
    if isinstance(error, RecursionError):
        return "the config is nested too deeply, or a defaults list leads back to itself"
    if error.args in (("COMP_LINE",), ("Error parsing line ''",)):  # missing, empty
        return "query=SHELL: needs the variable COMP_LINE, which the shell sets at the TAB key"
    kinds = (HydraException, OmegaConfBaseException, ValueError, TypeError, OSError)
    if not isinstance(error, kinds):
        return None
    if is_terminal_closed():
        return "the terminal was closed"
    if isinstance(error, OSError) and error.filename and error.errno:
        # Hydra makes the folder of the runs, and its error does not name the key.
        cure = "output_dir=FOLDER chooses where the runs are written"
        return f"{error.filename}: {error.strerror}; {cure}"
    return with_meant(explain(error), words)


@interruptible()
def task(config: DictConfig) -> float | None:
    """Trains the run of one Hydra job; returns its monitored metric, if any.

    Some of Hydra's sweepers choose the next config by the metric. `run` raises the error of a
    single run.
    """
    restore_subcommand()
    hydra_config = cast("DictConfig", HydraConfig.get())
    root = Path(hydra_config.runtime.output_dir)
    if hydra_config.mode == RunMode.MULTIRUN:
        return train_member(plan(check(config)), root)
    command, console = current(), PlainConsole()
    try:
        refuse_ignored(hydra_config)
        refuse_sweep(config.sweep, hydra_config)
        for word in hydra_config.overrides.hydra:
            if word.lstrip("+").startswith(("hydra/launcher", "hydra.launcher")):
                raise ValueError(f"without -m, {word} has no effect; {how_to_sweep()}")
        member = plan(check(config))
        command.answer = functools.partial(describe_run, member, root / member.run_id)
        outcome = train_run(member, root, console)
        if is_first_process():
            _report(outcome, member, console)
    except (ValueError, TypeError, OSError) as error:
        remove_empty_root(root)  # Hydra made it before the config was checked
        is_reader_gone = isinstance(error, BrokenPipeError)
        command.error = error if is_reader_gone else with_place(error, hydra_config)
    except Exception as error:
        command.error = error
    else:
        if outcome.record.status == "diverged":
            why = f"the run diverged: {outcome.record.error} ({outcome.folder.path})"
            command.error = RunFailed(why)
        return monitored(outcome.record)
    return None


def train_member(run: PlannedRun, root: Path) -> float | None:
    """Trains a run of a sweep; returns its monitored metric, if any.

    A run is skipped if another process trains it or if the sweep has been stopped. A run that
    cannot be built leaves failure.json, like a run that fails later, and the error is raised.
    """
    outcome = _finished_and_fed(run, root)
    if outcome is None:
        with without_collections():  # imported here for the reason in `train_run`
            from seqsweep.sweeping.train_groups import train_groups

        outcome = train_groups([run], root, threads=1).get(run.run_id)
    if outcome is None or isinstance(outcome, RunLocked):
        return None
    if isinstance(outcome, BaseException):
        raise outcome
    return monitored(outcome.record)


def _finished_and_fed(run: PlannedRun, root: Path) -> Outcome | None:
    """Returns a finished run's outcome or None; feeds loggers that were added since."""
    outcome = finished(run, root)
    if outcome is not None and is_first_process():
        feed_done([(run.config, outcome.folder)])
    return outcome


def train_run(run: PlannedRun, root: Path, console: Console) -> Outcome:
    """Trains a single run unless it is done; prints notes on it.

    A terminal shows a progress bar. With `when_locked=wait` the training waits until no other
    process trains the run.

    Raises:
        RunLocked: another process trains the run, and the config says `when_locked=skip`.
        RunFailed, Interrupted: the training failed, or a signal came.
    """
    outcome = _finished_and_fed(run, root)
    if is_first_process():
        notes = [] if outcome else engine_notes([run])
        print_notes([*notes, *run.notes], console)
    if outcome is not None:
        return outcome
    # Imported here, after the config was checked, because torch takes a second.
    with without_collections():
        from seqsweep.training.train import train

    output = bar = None
    if shows_table(console) and run.config["trainer"].get("progress_bar", True):
        from seqsweep.training.progress_bar import RunProgressBar  # late: most runs show no bar

        output = OutputLog(root / run.run_id / "train.log")
        bar = RunProgressBar(output.console, output)
    waiting = False
    try:
        while outcome is None:
            try:
                outcome = train(run, root, bar)
            except RunLocked as error:
                if run.config["when_locked"] == "skip":
                    raise
                if not waiting:
                    print_lines(console, f"{error}; waiting for it")
                    waiting = True
                while is_locked(root / run.run_id):
                    time.sleep(0.5)
        return outcome
    finally:
        if output is not None:
            output.close(outcome is None or outcome.record.status == "diverged")


def _report(outcome: Outcome, run: PlannedRun, console: Console) -> None:
    """Prints the result of a single run, unless it diverged."""
    record = outcome.record
    if record.status == "diverged":
        return
    metrics = metrics_in(record)
    names = ("train/loss", "val/loss", "val/acc", "test/loss", "test/acc", "test/f1")
    own = own_metrics(metrics)
    names = own or [name for name in names if name in metrics]
    scores = [f"{name} {number(metrics[name])}" for name in names]
    chosen = "last" if monitor_of_config(run.config) is None else "best"
    scores[:1] = [f"{chosen} epoch {record.best_epoch}: {''.join(scores[:1])}"]
    lines = [joined(scores, console)]
    splits = None if own else run.splits
    if splits and (shares := majority_shares(data_of(run.config["data"]).prepared)):
        accuracies = "  ".join(f"{name} {share:.4f}" for name, share in shares.items())
        lines.append(f"majority class: {accuracies}")
    how = f"{record.train_seconds or 0:.1f} s" if outcome.trained else "complete already"
    lines.append(f"{place(outcome.folder.path)}  ({how}, {record.params or 0:,} parameters)")
    if event_files(outcome.folder.path):
        folder = shlex.quote(place(outcome.folder.path.parent))
        lines.append(f"  seqsweep tensorboard {folder}")
    print_lines(console, *lines)


def describe_run(run: PlannedRun, path: Path) -> JsonObject:
    """Returns the state and the result of a single run."""
    entry = read_run(RunFolder(path))
    record = entry.record
    content: JsonObject = {"run_id": run.run_id, "folder": str(path)}
    content["state"] = entry.state if path.is_dir() else "not started"
    content |= {"metrics": metrics_in(record), "monitor": monitor_of_config(run.config)}
    content |= {"best_epoch": record.best_epoch, "epochs": record.epochs}
    content["seconds"] = record.train_seconds
    content["engine"] = read_object(path / "provenance.json").get("engine")
    return content | {"error": entry.error}

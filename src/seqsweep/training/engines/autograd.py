"""One run by Lightning and autograd, from its config to its record."""

import contextlib
import logging
import math
import multiprocessing
import signal
import threading
import time
from collections.abc import Generator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback

from seqsweep.models.module import Diverged, SequenceClassifier
from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.best_epoch import BestEpoch
from seqsweep.training.build_run import Parts, build_run, numerics
from seqsweep.training.callbacks import StopOnSignal
from seqsweep.training.checkpoints import (
    BestAndLast,
    load_sealed,
    newest_checkpoint,
)
from seqsweep.training.diagnosis import (
    MOST_CLASSES,
    confusion_of,
    diagnose_run,
    write_diagnosis,
)
from seqsweep.training.outcome import Interrupted, Outcome, RunFailed, finished
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.resume import begin
from seqsweep.training.run_loggers import LoggersOfRun
from seqsweep.training.train_log import log_file
from seqsweep.training.trainer import restored_torch_state

log = logging.getLogger(__name__)


def train_by_autograd(member: PlannedRun, root: Path, progress: Callback | None = None) -> Outcome:
    """`training.train.train` for any network, one that is not ours included."""
    folder = RunFolder(root / member.run_id)
    stop = StopOnSignal()
    callbacks: list[Callback] = [stop] if progress is None else [stop, progress]
    parts = build_run(member.config, folder.path, callbacks)
    if not parts.trainer.is_global_zero:  # the other processes of a distributed run only train
        with restored_torch_state(member.config["threads"]):
            result = _fit_and_test(member, parts, folder.path, newest_checkpoint(folder.path))
        return Outcome(folder, member.record("complete", result), trained=True)
    with RunLock(folder.path):
        outcome = finished(member, root)
        if outcome is not None:  # by another process, since we looked
            return outcome
        with (
            log_file(folder.path / "train.log"),
            restored_torch_state(member.config["threads"]),
            stop.listening(),
            _ending_its_workers(),
        ):
            record = _attempt(member, folder, parts, stop)
    return Outcome(folder, record, trained=True, signum=stop.received)


def _attempt(
    member: PlannedRun, folder: RunFolder, parts: Parts, stop: StopOnSignal
) -> dict[str, Any]:
    """From the last checkpoint, or the start, to the record; what goes wrong is written down."""
    try:
        start = begin(member, folder, numerics(parts.trainer, "autograd"))
        log.info("run %s from %s: %s", member.run_id, start or "the start", member.config)
        record = _outcome(member, parts, folder.path, start)
        folder.finish(record)
    except (Interrupted, SystemExit) as error:
        if stop.received is None:
            raise
        # SystemExit is what Lightning makes of a SIGTERM that it sees first, with exit code 0.
        raise _interrupted(folder, stop.received) from error
    except Exception as error:
        if _caused_by_signal(error, stop) and stop.received is not None:
            raise _interrupted(folder, stop.received) from error
        log.exception("failed")
        with contextlib.suppress(OSError):  # a full disk is the failure itself
            folder.fail(error)
        raise RunFailed(folder.path, error) from error
    log.info("done: %s", record.get("metrics", record.get("error")))
    return record


def _interrupted(folder: RunFolder, signum: int) -> Interrupted:
    reason = Interrupted(signum)
    log.warning("%s", reason)
    folder.interrupt(reason)
    return reason


@contextlib.contextmanager
def _ending_its_workers() -> Generator[None]:
    """Kills the DataLoader workers of a run that ends early; Lightning leaves some of them alive.

    A worker that is left holds copies of this process's open files. The end of the process would
    even wait for it, and for ever if a signal ended another one that held the lock of a queue.
    """
    others = multiprocessing.active_children()
    try:
        yield
    except BaseException:
        _end_workers(others)
        raise


def _end_workers(others: Sequence[BaseProcess]) -> None:
    """Kills the child processes of this one, except `others`."""
    if threading.current_thread() is not threading.main_thread():
        return
    heard = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch would raise for each of them
    for worker in multiprocessing.active_children():
        if worker not in others:
            worker.kill()
            worker.join()
    signal.signal(signal.SIGCHLD, heard or signal.SIG_DFL)


def _caused_by_signal(error: Exception, stop: StopOnSignal) -> bool:
    """Whether a signal to the whole group has ended a DataLoader worker, and came to us as well.

    Workers leave signals to us, but for the moment in which they start; ours may be the later one.
    """
    if "is killed by signal" not in str(error):
        return False
    deadline = time.monotonic() + 1
    while stop.received is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return stop.received is not None


def _outcome(
    member: PlannedRun, parts: Parts, folder: Path, checkpoint: Path | None
) -> dict[str, Any]:
    """The record of a run that is complete, or that has diverged and would again."""
    try:
        result = _fit_and_test(member, parts, folder, checkpoint)
    except Diverged as error:
        log.warning("diverged: %s", error)
        return member.record("diverged", {"error": str(error), "epoch": error.epoch})
    if member.config["diagnostics"]:
        content = diagnose_run(member.config, parts.module, parts.data.splits)
        if content is not None:
            write_diagnosis(folder, content)
    return member.record("complete", result)


def _fit_and_test(
    member: PlannedRun, parts: Parts, folder: Path, checkpoint: Path | None
) -> dict[str, Any]:
    trainer, module, data = parts
    start = time.perf_counter()
    with LoggersOfRun(trainer) as loggers:
        loggers.log_config(member.config)
        path = None if checkpoint is None else str(checkpoint)
        trainer.fit(module, datamodule=data, ckpt_path=path)
        kept = _kept(parts, time.perf_counter() - start)
        if kept.epochs == 0:
            raise RuntimeError("trainer.max_time or max_steps ended the run in its first epoch")
        metrics = dict(kept.best_metrics)
        trainer.strategy.barrier()  # the first process has written the checkpoint by now
        _load_weights(module, folder / "checkpoints" / "best.ckpt")
        module.confusions.clear()  # that of the last epoch's validation
        has_confusion = member.config["diagnostics"] and data.splits.num_classes <= MOST_CLASSES
        if has_confusion and data.splits.val is not None:
            _validate_quietly(parts)
        if data.splits.test is not None:
            loggers.resume()
            trainer.test(module, datamodule=data, verbose=False)
            metrics |= module.test_metrics
            if not math.isfinite(metrics["test/loss"]):
                raise Diverged("test/loss", metrics["test/loss"], kept.best_epoch or 0)
    return {
        "metrics": metrics,
        "best_epoch": kept.best_epoch,
        "epochs": kept.epochs,
        "steps": trainer.global_step,
        "params": sum(p.numel() for p in module.network.parameters() if p.requires_grad),
        "train_seconds": round(kept.seconds, 3),
        "samples_per_s": round(kept.epochs * len(data.splits.train) / kept.seconds, 1),
        "num_train": len(data.splits.train),
        **confusion_of(data.splits, module.confusions),
    }


def _validate_quietly(parts: Parts) -> None:
    """Validates for the confusion matrix, without callbacks or loggers of the user's own.

    Between the stages of a run the trainer has no loggers.
    """
    trainer, module, data = parts
    callbacks: list[Callback] = trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
    kept = [callback for callback in callbacks if isinstance(callback, StopOnSignal)]
    trainer.callbacks = kept  # pyright: ignore[reportAttributeAccessIssue]
    try:
        trainer.validate(module, datamodule=data, verbose=False)
    finally:
        trainer.callbacks = callbacks  # pyright: ignore[reportAttributeAccessIssue]


def _kept(parts: Parts, seconds: float) -> BestEpoch:
    """What the run's checkpoint callback knows of its epochs; without one, of the last epoch."""
    for callback in parts.trainer.checkpoint_callbacks:
        if isinstance(callback, BestAndLast):
            return callback.best
    last = BestEpoch(parts.module.monitor)
    last.epochs, last.seconds = parts.trainer.current_epoch, seconds
    last.best_epoch, last.best_metrics = last.epochs - 1, parts.module.epoch_metrics
    return last


def _load_weights(module: SequenceClassifier, checkpoint: Path) -> None:
    if checkpoint.is_file():
        module.load_state_dict(load_sealed(checkpoint)["state_dict"])

"""One run, from its config to its record."""

import contextlib
import logging
import math
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from seqsweep.models.module import Diverged, SequenceClassifier
from seqsweep.runs.identity import flatten
from seqsweep.runs.lock import RunLock
from seqsweep.runs.provenance import provenance
from seqsweep.runs.record import RunFolder
from seqsweep.training.callbacks import StopOnSignal
from seqsweep.training.checkpoints import (
    BestAndLast,
    load_sealed,
    newest_checkpoint,
    resume_point,
)
from seqsweep.training.continuing import take_over_shorter_run
from seqsweep.training.parts import Parts, build_run, engine
from seqsweep.training.planning import Interrupted, Member, Outcome, RunFailed, finished

log = logging.getLogger(__name__)


def train(member: Member, root: Path, progress: Callback | None = None) -> Outcome:
    """Trains one run in `root`/run_id, from where an earlier attempt was stopped or killed.

    Args:
        member: a checked and identified config.
        root: the folder of the runs.
        progress: a progress bar for a terminal.

    Raises:
        ValueError, TypeError, OSError: the config cannot be built; nothing has been written.
        Locked: another process trains this run.
        Interrupted: a signal came; the run goes on from its last epoch next time.
        RunFailed: training failed; failure.json holds the traceback.
    """
    folder = RunFolder(root / member.run_id)
    stop = StopOnSignal()
    callbacks: list[Callback] = [stop] if progress is None else [stop, progress]
    parts = build_run(member.config, folder.path, callbacks)
    if not parts.trainer.is_global_zero:  # the other processes of a distributed run only train
        with _own_torch_state():
            result = _fit_and_test(
                parts, folder.path, newest_checkpoint(folder.path), member.config["threads"]
            )
        return Outcome(folder, _record(member, "complete", result), trained=True)
    with RunLock(folder.path):
        outcome = finished(member, root)
        if outcome is not None:  # by another process, since we looked
            return outcome
        with _log_file(folder.path / "train.log"), _own_torch_state(), stop.listening():
            record = _attempt(member, folder, parts, stop)
    return Outcome(folder, record, trained=True, signum=stop.received)


def _attempt(member: Member, folder: RunFolder, parts: Parts, stop: StopOnSignal) -> dict[str, Any]:
    """From the last checkpoint, or the start, to the record; what goes wrong is written down."""
    try:
        record = _outcome(member, parts, folder.path, _begin(member, folder, parts))
        folder.finish(record)
    except (Interrupted, SystemExit) as error:
        if stop.received is None:
            raise
        # SystemExit is what Lightning makes of a SIGTERM that it sees first, with exit code 0.
        reason = Interrupted(stop.received)
        log.warning("%s", reason)
        folder.interrupt(reason)
        raise reason from error
    except Exception as error:
        log.exception("failed")
        with contextlib.suppress(OSError):  # a full disk is the failure itself
            folder.fail(error)
        raise RunFailed(folder.path, error) from error
    log.info("done: %s", record.get("metrics", record.get("error")))
    return record


def _outcome(member: Member, parts: Parts, folder: Path, checkpoint: Path | None) -> dict[str, Any]:
    """The record of a run that is complete, or that has diverged and would again."""
    try:
        result = _fit_and_test(parts, folder, checkpoint, member.config["threads"])
    except Diverged as error:
        log.warning("diverged: %s", error)
        return _record(member, "diverged", {"error": str(error), "epoch": error.epoch})
    return _record(member, "complete", result)


def _begin(member: Member, folder: RunFolder, parts: Parts) -> Path | None:
    """The checkpoint to go on from; where there is none, an empty folder to start in."""
    folder.tidy()
    folder.forget_interrupt()
    checkpoint = None if member.config["rerun"] else resume_point(folder.path)
    if checkpoint is None:
        threads = member.config["threads"]
        origin = provenance(threads, member.data_fingerprint, engine(parts.trainer))
        folder.start(member.config, origin)
        if not member.config["rerun"] and take_over_shorter_run(member, folder.path):
            checkpoint = resume_point(folder.path)
            if checkpoint is None:
                folder.start(member.config, origin)
    log.info("run %s from %s: %s", member.run_id, checkpoint or "the start", member.config)
    return checkpoint


def _record(member: Member, status: str, result: dict[str, Any]) -> dict[str, Any]:
    """What record.json says: the result, and all that a table needs to know of the config."""
    return {
        "run_id": member.run_id,
        "status": status,
        **result,
        "data_fingerprint": member.data_fingerprint,
        "config": dict(flatten(member.config)),
    }


def _fit_and_test(
    parts: Parts, folder: Path, checkpoint: Path | None, threads: int
) -> dict[str, Any]:
    trainer, module, data = parts
    torch.set_num_threads(threads)
    start = time.perf_counter()
    trainer.fit(module, datamodule=data, ckpt_path=None if checkpoint is None else str(checkpoint))
    kept = _kept(parts, time.perf_counter() - start)
    metrics = dict(kept.best_metrics)
    if data.splits.test is not None:
        trainer.strategy.barrier()  # the first process has written the checkpoint by now
        _load_weights(module, folder / "checkpoints" / "best.ckpt")
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
    }


def _kept(parts: Parts, seconds: float) -> BestAndLast:
    """What the run's checkpoint callback knows of its epochs; without one, of the last epoch."""
    for callback in parts.trainer.checkpoint_callbacks:
        if isinstance(callback, BestAndLast):
            return callback
    last = BestAndLast()
    last.epochs, last.seconds = parts.trainer.current_epoch, seconds
    last.best_epoch, last.best_metrics = last.epochs - 1, parts.module.epoch_metrics
    return last


def _load_weights(module: SequenceClassifier, checkpoint: Path) -> None:
    if checkpoint.is_file():
        module.load_state_dict(load_sealed(checkpoint)["state_dict"])


@contextmanager
def _own_torch_state() -> Generator[None]:
    """Leaves torch's generators, threads and deterministic mode as they were."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)


class _LogFile(logging.FileHandler):
    """A log that cannot be written does not end a run, nor fill the terminal."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


@contextmanager
def _log_file(path: Path) -> Generator[None]:
    """What seqsweep and Lightning log while the run goes on, in its train.log."""
    if path.is_symlink():
        path.unlink()
    handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in ("seqsweep", "lightning.pytorch")]
    level = loggers[0].level
    loggers[0].setLevel(logging.INFO)
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        loggers[0].setLevel(level)
        handler.close()

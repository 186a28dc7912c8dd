"""The interface of the engines, and the record of a run that has ended."""

import contextlib
import json
import math
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from seqsweep.errors import LockLost, RunDiverged, RunFailed
from seqsweep.importing import place_in_user_code
from seqsweep.runs.files import JsonObject, write_text
from seqsweep.runs.metrics import OURS, Metric, finite, monitor_of_config, proposed_direction
from seqsweep.runs.record import NO_RECORD, Record
from seqsweep.runs.run_folder import RunFolder
from seqsweep.signals import StopOnSignal
from seqsweep.training.limits import BestEpoch, Paused, Pruned
from seqsweep.training.loggers import MemberLog
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.start import WEIGHTS


class Progress(Protocol):
    """A display of a single run while it trains, such as `progress_bar.RunProgressBar`."""

    def start(self, epochs: int | None) -> None:
        """Begins to show a run of so many epochs."""

    def draw(self, epochs: float, metrics: Mapping[str, Any]) -> None:
        """Shows the state after `epochs` epochs, which may be 1.5; called very often."""

    def stop(self) -> None:
        """Ends the display."""


class Member(ABC):
    """A run while an engine trains it.

    Attributes:
        monitor: the metric that chooses the best epoch; None chooses the last.
        params: the number of trained parameters.
        num_train: the number of training sequences; 0 for data that are not `Splits`.
        warning: a line on the result that a person should read, if any.
        taken: the weights that the run takes from another run, by name; see `start.first_weights`.
    """

    best: BestEpoch
    params: int
    num_train: int
    warning: str | None = None

    def __init__(self, planned: PlannedRun, folder: Path, log: MemberLog) -> None:
        self.planned = planned
        self.run_id = planned.run_id
        self.monitor = monitor_of_config(planned.config)
        self.folder = RunFolder(folder)
        self.log = log
        self.taken: dict[str, Any] = {}

    @abstractmethod
    def best_digest(self) -> str | None:
        """Returns the digest of the weights in best.ckpt; None if no test has read them."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """The number of optimizer steps so far."""


class Findings(NamedTuple):
    """The results of a member's best weights.

    Attributes:
        metrics: of the test split, for the most part.
        further: what else its record holds, such as confusion matrices.
        diagnosis: the content of diagnostics.json, if any.
    """

    metrics: dict[str, float]
    further: JsonObject
    diagnosis: JsonObject | None


End = Findings | RunDiverged | Pruned | Paused
"""The end of a member: the results of its best weights, or why it ended early."""


M = TypeVar("M", bound=Member)


class Engine(ABC, Generic[M]):
    """Trains one or more runs of one data set together.

    Attributes:
        root: the folder in which each run has its folder.
        torch_threads: the number of threads that torch uses.
        draws: whether torch's dropout or code of the user may draw from the global generators.
        origin: the engine, the device and the libraries, for provenance.json. The last bits of the
            results depend on them. `build` sets this attribute.
        stop: handles the signals.
        outcomes: the outcome or the error of each run that has ended, by run_id.
        is_single: whether this is a single run, whose files are synced one by one.
    """

    torch_threads = 1
    draws = True
    origin: JsonObject

    def __init__(self, runs: Sequence[PlannedRun], root: Path, progress: Progress | None) -> None:
        self.runs = runs
        self.root = root
        self.progress = progress
        # One object serves all Trainers of the engine, so a signal between two of them is not lost.
        self.stop = StopOnSignal()
        self.outcomes: dict[str, Outcome | BaseException] = {}
        self.is_single = len(runs) == 1

    @abstractmethod
    def build(self) -> list[M]:
        """Returns the members, built from the configs of the runs; writes nothing.

        A pool leaves out a member whose own settings are refused; `outcomes` has the error.

        Raises:
            ValueError, TypeError, OSError: settings of a single run or of a whole pool are refused.
        """

    def assist(self, members: Sequence[M]) -> Outcome | None:
        """Trains in a further process of a distributed run; otherwise returns None.

        Only the first process (rank 0) locks, begins and records the run.
        """
        return None

    @abstractmethod
    def start(self, member: M, checkpoint: Path | None) -> None:
        """Prepares a member for its training, from its checkpoint if any."""

    @contextmanager
    def running(self, begin: Callable[[M], bool]) -> Generator[None]:
        """Holds the engine's resources while `fit` works.

        Args:
            begin: locks a member, prepares its folder and calls `start`; returns False if the
                member has an outcome already or must train alone.
        """
        yield

    @abstractmethod
    def fit(self) -> None:
        """Begins, trains, tests and records the members."""

    def record(self, member: M, end: End) -> Record:
        """Writes a member's record, then its log; returns NO_RECORD for a paused member.

        Raises:
            LockLost: another process trains the run now.
            OSError: a file cannot be written.
        """
        record = NO_RECORD
        if isinstance(end, Paused):
            member.log.say(f"paused after {end.epochs} epochs")
        else:
            # The last device counts, as a run may be resumed on another one.
            names = ("engine", "device", "first_weights")
            numerics = {key: self.origin[key] for key in names if key in self.origin}
            content = record_of(member, end) | numerics
            if digest := member.best_digest():
                content[WEIGHTS] = digest
            record = Record.of(content)
            member.folder.check_held()
            diagnosis = end.diagnosis if isinstance(end, Findings) else None
            if diagnosis is not None and record.status == "complete":
                path = member.folder.path / "diagnostics.json"
                # Only TensorBoard's pictures need the file, so it is not synced.
                write_text(path, json.dumps(diagnosis) + "\n", sync=False)
            member.folder.finish(content, synced=not self.is_single)
            word = "pruned" if isinstance(end, Pruned) else "done"
            member.log.say(f"{word}: {record.error or record.metrics}")
        member.log.write_lines()
        self.outcomes[member.run_id] = Outcome(member.folder, record, trained=True)
        return record

    def fail(self, member: M, error: Exception) -> None:
        """Records the failure of a member, if its folder can be written.

        If another process trains the member now, the outcome is LockLost instead of a failure.
        """
        text = "".join(traceback.format_exception(error))
        try:
            # If the disk is full, this write fails as well.
            with contextlib.suppress(OSError):
                member.folder.fail(error)
        except LockLost as lost:
            self.outcomes[member.run_id] = lost
            return
        member.log.say(f"failed: {text}", level="ERROR")
        member.log.write_lines()
        what = f"{type(error).__name__}: {error}{place_in_user_code(error)}"
        where = f"(traceback in {member.folder.path}/failure.json)"
        failure = self.outcomes[member.run_id] = RunFailed(f"the run failed: {what} {where}")
        failure.__cause__ = error


def record_of(member: Member, end: Findings | RunDiverged | Pruned) -> JsonObject:
    """Returns the content of record.json."""
    best = member.best
    metrics = best.best_metrics | (end.metrics if isinstance(end, Findings) else {})
    # The monitor is finite in the best epoch if it ever was.
    rate = "optimizer.lr" if member.planned.config["optimizer"] else "learning rate"
    for name in ("test/loss", best.monitor) if isinstance(end, Findings) else ():
        if name and not math.isfinite(value := metrics.get(name, 0.0)):
            end = RunDiverged(name, value, best.best_epoch or 0, rate)
    if isinstance(end, RunDiverged):
        return member.planned.record("diverged", {"error": str(end), "epoch": end.epoch})
    metrics = finite(metrics)
    result: JsonObject = {
        "metrics": metrics,
        "directions": directions_of(member.monitor, metrics, best),
        "best_epoch": best.best_epoch,
        "epochs": best.epochs,
        "steps": member.steps,
        "params": member.params,
        "train_seconds": round(best.seconds, 3),
    }
    if member.num_train > 0:
        result["samples_per_s"] = round(best.epochs * member.num_train / best.seconds, 1)
        result["num_train"] = member.num_train
    if member.warning is not None:
        result["warning"] = member.warning
    if isinstance(end, Pruned):
        return member.planned.record("pruned", result | {"pruned": end._asdict()})
    return member.planned.record("complete", result | end.further)


def directions_of(
    monitor: Metric | None, names: Mapping[str, float], best: BestEpoch
) -> JsonObject:
    """Returns which direction is better for each metric of a record, if it is known.

    Of a LightningModule of the user the monitor comes first, then the other metrics of the
    validation; a table of runs without a monitor is ranked by the first.
    """
    if monitor is not None and monitor.is_ours:
        return {name: OURS[name].direction for name in names if name in OURS}
    # The same metric of another split has the same direction.
    known: JsonObject = {Metric(name, None).kind: way for name, way in best.directions.items()}
    known |= {} if monitor is None else {monitor.kind: monitor.direction}
    metrics = [Metric(name, proposed_direction(name)) for name in names]
    metrics.sort(key=lambda metric: (metric != monitor, metric.split_name != "val", metric))
    return {str(metric): known.get(metric.kind, metric.direction) for metric in metrics}

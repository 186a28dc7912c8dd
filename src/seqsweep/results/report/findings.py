"""What a report says, as plain values: report.json is this tree, the HTML shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from seqsweep.results.report.curves import Band
from seqsweep.results.report.panels import Axis
from seqsweep.results.significance import Verdict, counts
from seqsweep.runs.metric_names import lower_is_better


@dataclass(frozen=True)
class Stat:
    """A metric over n seeds: mean, sample deviation, interval; the last three need two seeds."""

    n: int
    mean: float
    std: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Gap:
    """A config's score minus the best one's, over n shared seeds; see statistics.Difference."""

    n: int
    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    adjusted: float | None
    t_adjusted: float | None


@dataclass(frozen=True)
class Run:
    """One run of a config.

    Args:
        folder: from that of the report; `.` where they are the same.
        name: as TensorBoard's view calls it.
        counted: whether the numbers of its config are of it too.
        metrics: of the best epoch, those of validation and test.
        files: those of its folder that a reader may look into.
        command: trains it again and compares, from the report's folder; None if it is not complete.
    """

    run_id: str
    folder: str
    name: str
    seed: int | None
    state: str
    counted: bool
    error: str | None
    metrics: dict[str, float]
    best_epoch: int | None
    files: list[str]
    command: str | None


@dataclass(frozen=True)
class Config:
    """A row of the leaderboard: one config over its seeds.

    Args:
        rank: from 1, by the mean of the validation metric.
        name: as TensorBoard's view calls it. words: the values that tell it apart.
        keys: all keys in which the configs differ.
        runs: the run_ids that the numbers are of. all_runs: those and the others of the config.
        scores: [seed, value] of the metric that is compared.
        lost: seeds that diverged or failed, in words: the others may be the lucky ones.
        verdict: as `Difference.verdict`; "other test set" or the like where the config was not
            evaluated on the sequences of the best.
        data: a key that configs share that were evaluated on the same sequences.
    """

    rank: int
    name: str
    words: str
    keys: dict[str, Any]
    runs: list[str]
    metrics: dict[str, Stat]
    scores: list[tuple[int, float]]
    gap: Gap | None
    verdict: str
    lost: str = ""
    data: str = ""
    all_runs: list[Run] = field(default_factory=list[Run])

    @property
    def is_apart(self) -> bool:
        """True if it was evaluated on other sequences than the best, and so is not compared."""
        return self.verdict not in get_args(Verdict)

    @property
    def told_by_t(self) -> bool:
        """Whether a paired t-test tells it from the best, where signed ranks are too few to."""
        if self.verdict != "undecided" or self.gap is None:
            return False
        return counts(self.gap.t_adjusted)


@dataclass(frozen=True)
class Baseline:
    """What needs no network. `data` says which data set, where the sweep has several."""

    name: str
    data: str
    metrics: dict[str, float]
    seconds: float | None


@dataclass(frozen=True)
class Answer:
    """`best` and `rest` are one sentence; the others say how sure it is and what chose."""

    best: str
    rest: str
    choice: str | None = None
    baseline: str | None = None


@dataclass(frozen=True)
class Factor:
    """A main effect: the mean score at each value, and the share of the variance of configs.

    Args:
        configs: how many it rests on. confounded: no share, see effects.Effect.
    """

    key: str
    values: list[Any]
    means: list[float]
    share: float | None
    configs: int
    confounded: bool


@dataclass(frozen=True)
class Crossing:
    """Two keys that act together, and how in words."""

    keys: tuple[str, str]
    values: tuple[list[Any], list[Any]]
    means: list[list[float | None]]
    share: float
    words: str


@dataclass(frozen=True)
class Holes:
    """The runs that are missing, and how many combinations of the values there are.

    Args:
        size: of all combinations. there: how many have a complete run.
        missing: those that a command has asked for and that have none.
        why: how many of their runs ended how, in words; empty where nothing is known of them.
    """

    size: int
    there: int
    missing: list[str]
    why: str


@dataclass(frozen=True)
class Curve:
    """The metrics of a config, or of an unfinished run, over its epochs."""

    label: str
    bands: dict[str, Band]
    best_epoch: float | None


@dataclass(frozen=True)
class Confusion:
    """Summed over the seeds; rows are the true classes."""

    split: str
    classes: list[str]
    counts: list[list[int]]
    seeds: int
    words: list[str]

    @property
    def sequences(self) -> int:
        """How many sequences the split has."""
        return sum(map(sum, self.counts)) // self.seeds


@dataclass(frozen=True)
class Failure:
    """Runs that ended early for one reason, each with its folder and what it is called."""

    state: str
    error: str
    traceback: str | None
    runs: list[tuple[str, str]]


@dataclass(frozen=True)
class Report:
    """The whole report, in its order.

    Args:
        made_from: see `results.report.freshness`.
        monitor: the metric that chose. score: the metric that is compared.
        names: short names of the keys.
        running: labels of those; waiting: how many have not begun.
        left_out: how many runs repeat the config, data and seed of a newer one.
        splits: of the best run, as its record has them; empty where that does not say.
        overlaps: what is said of splits that share sequences with training.
        tied: how many configs are equal to the best in the monitor.
        shares_time: whether runs have trained in a stack, and have equal parts of its time.
    """

    made_from: str
    name: str
    written: str
    states: dict[str, int]
    waiting: int
    running: list[str]
    left_out: int
    monitor: str
    score: str
    names: dict[str, str]
    answer: Answer
    configs: list[Config]
    baselines: list[Baseline]
    baseline_notes: list[str]
    axis: Axis | None
    factors: list[Factor]
    crossing: Crossing | None
    holes: Holes | None
    curves: list[Curve]
    confusion: Confusion | None
    confusion_absent: str | None
    failures: list[Failure]
    environment: list[tuple[str, str]]
    commands: list[tuple[str, str]]
    splits: Mapping[str, Mapping[str, Any]]
    overlaps: list[str]
    tied: int = 1
    shares_time: bool = False

    @property
    def has_seeds(self) -> bool:
        """Whether some config has more than one: without, there are no intervals to show."""
        return any(len(config.runs) > 1 for config in self.configs)

    @property
    def higher_is_better(self) -> bool:
        return not lower_is_better(self.score)

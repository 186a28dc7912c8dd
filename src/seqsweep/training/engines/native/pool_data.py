"""The splits of a pool, on which its members train and are evaluated."""

import functools
from collections.abc import Sequence

from seqsweep.data.batch import Augmentation
from seqsweep.data.checks import Array
from seqsweep.data.sequences import Splits
from seqsweep.native.step import Data, Result, Stop, Work, evaluate, predict, run
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.engines.native.scores import scores
from seqsweep.training.engines.protocol import Findings
from seqsweep.training.findings import (
    confusion_of,
    diagnose,
    length_scores,
    recording_scores,
    splits_tested,
)

_AUGMENTED_NUMBERS = 2**24
"""The most numbers in all augmented training splits that are kept in memory (at least one split).

The splits are kept, because members with the same seed share them."""


class PoolData:
    """The splits of a pool, in the memory layout of the native library."""

    def __init__(self, splits: Splits) -> None:
        self.splits = splits
        self.native = {
            name: Data(part.x, part.lengths, part.labels, part.num_classes)
            for name, part in splits.parts.items()
        }
        kept = min(16, max(1, _AUGMENTED_NUMBERS // splits.train.x.size))
        self._augmented = functools.lru_cache(maxsize=kept)(self._augment)

    def train(
        self, members: Sequence[PoolMember], works: Sequence[Work], stop: Stop
    ) -> list[Result]:
        """Trains members for one epoch; called by a thread; raises Stopped if `stop` is set."""
        val = self.native.get("val")
        if all(member.augmentation is None for member in members):
            return run(works, self.native["train"], val, stop)
        results: list[Result] = []
        for member, work in zip(members, works, strict=True):
            train = self._augmented(member.augmentation, member.shuffle_seed, member.epochs)
            results += run([work], train, val, stop)
        return results

    def _augment(self, augmentation: Augmentation | None, seed: int, epoch: int) -> Data:
        """Returns the training split, augmented for an epoch."""
        if augmentation is None:
            return self.native["train"]
        part = self.splits.train
        x = augmentation.apply(part.x, part.lengths, range(len(part)), seed, epoch)
        return Data(x, part.lengths, part.labels, part.num_classes)

    def findings(self, member: PoolMember) -> Findings:
        """Evaluates the best weights of a member; called by a thread."""
        native, weights = member.native, member.best_weights
        sums = {
            name: evaluate(native, self.native[name], weights)
            for name in splits_tested(member.config, self.splits)
        }
        metrics: dict[str, float] = {}
        if "test" in sums:
            metrics["test/loss"] = sums["test"].loss
            tested = scores(sums["test"].confusion[None])
            metrics |= {f"test/{name}": values.item() for name, values in tested.items()}

        def logits(name: str) -> Array:
            return predict(native, self.native[name], weights)

        metrics |= recording_scores(self.splits, logits)
        wanted = member.config["diagnostics"]
        diagnosis = diagnose(self.splits, native, weights) if wanted else None
        counts = {name: each.confusion for name, each in sums.items()}
        further = confusion_of(self.splits, counts) | length_scores(self.splits, logits)
        return Findings(metrics, further, diagnosis)

"""The data of a pool, and the evaluation of its members.

K members, C classes.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from seqsweep.data.batch import augment_seed
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.data.transforms.augment import Augmentation
from seqsweep.native.step import Data, Network, Result, Stop, Sums, Work, evaluate, run, trace
from seqsweep.training.diagnosis import Chosen, choose, confusion_of, diagnosis_of, splits_tested
from seqsweep.training.engines.ending import Findings
from seqsweep.training.engines.native.member import PoolMember
from seqsweep.training.engines.native.scores import scores

Evaluated = tuple[dict[str, Sums], dict[str, Any] | None]
"""The sums of a member on each evaluated split, and its diagnosis."""

_AUGMENTED_NUMBERS = 2**24
"""The most numbers in the augmented training splits that are kept for members of equal seeds."""


class PoolData:
    """The splits of a pool in the form that its threads read."""

    def __init__(self, splits: Splits) -> None:
        self.splits = splits
        self.native = {name: _data(part) for name, part in splits.parts.items()}
        kept = min(16, max(1, _AUGMENTED_NUMBERS // splits.train.x.size))
        self._augmented = functools.lru_cache(maxsize=kept)(self._augment)

    def train(
        self, members: Sequence[PoolMember], works: Sequence[Work], stop: Stop
    ) -> list[Result]:
        """Trains members for one epoch; called by a thread.

        Raises:
            Stopped: `stop` was set.
        """
        val = self.native.get("val")
        if all(member.augmentation is None for member in members):
            return run(works, self.native["train"], val, stop)
        results: list[Result] = []
        for member, work in zip(members, works, strict=True):
            train = self._augmented(member.augmentation, member.shuffle_seed, member.epochs)
            results += run([work], train, val, stop)
        return results

    def _augment(self, augmentation: Augmentation | None, seed: int, epoch: int) -> Data:
        """Returns the training split as it is in an epoch."""
        if augmentation is None:
            return self.native["train"]
        part = self.splits.train
        rows = range(len(part))
        x = augmentation.apply(part.x, part.lengths, rows, augment_seed(seed, epoch))
        return Data(x, part.lengths, part.labels, part.num_classes)

    def evaluate_best(self, member: PoolMember) -> Evaluated:
        """Evaluates and diagnoses the best weights of a member; called by a thread."""
        sums = {
            name: evaluate(member.native, self.native[name], member.best_weights)
            for name in splits_tested(member.config, self.splits)
        }
        if not member.config["diagnostics"]:
            return sums, None
        return sums, self.diagnose(member.native, member.best_weights)

    def findings(self, evaluated: Sequence[Evaluated]) -> list[Findings]:
        """Returns what each member's record says about its best weights."""
        # The scores of all members are computed at once: one call costs as much as one member.
        test = [sums["test"] for sums, _ in evaluated if "test" in sums]
        tested = scores(np.stack([each.confusion for each in test])) if test else {}
        columns = {f"test/{name}": values.tolist() for name, values in tested.items()}
        result: list[Findings] = []
        for index, (sums, diagnosis) in enumerate(evaluated):
            metrics = {"test/loss": sums["test"].loss} if test else {}
            metrics |= {name: values[index] for name, values in columns.items()}
            counts = {name: each.confusion for name, each in sums.items()}
            result.append(Findings(metrics, confusion_of(self.splits, counts), diagnosis))
        return result

    def diagnose(self, network: Network, weights: Tensor) -> dict[str, Any] | None:
        """Returns the content of diagnostics.json, see `diagnosis_of`; called by a thread."""
        shape = network.shape
        chosen = choose(self.splits, shape.num_layers * shape.directions * shape.hidden_size)
        traced = trace(network, _chosen_data(chosen), weights)
        return diagnosis_of(self.splits, chosen, traced.gradients, traced.states)


def _data(part: Sequences) -> Data:
    return Data(part.x, part.lengths, part.labels, part.num_classes)


@functools.lru_cache(maxsize=16)
def _chosen_data(chosen: Chosen) -> Data:
    return _data(chosen.sequences)

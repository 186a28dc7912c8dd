"""What the best weights of members do on data that chose nothing.

K members, C classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqsweep.data.sequences import Splits
from seqsweep.native.step import Data, Sums, evaluate
from seqsweep.stacked.layout import StackShape
from seqsweep.stacked.loss import StackedLoss
from seqsweep.stacked.network import StackedNetwork
from seqsweep.training.diagnosis import MOST_CLASSES, confusion_of, diagnose
from seqsweep.training.pools.member import PoolMember
from seqsweep.training.together.ending import Findings
from seqsweep.training.together.metrics import scores

Found = tuple[dict[str, Sums], dict[str, Any] | None]
"""The sums of a member on each split that was looked at, and its diagnosis."""


class PoolData:
    """The splits of a pool, as its threads read them."""

    def __init__(self, splits: Splits) -> None:
        self.splits = splits
        self.native = {
            name: Data(part.x, part.lengths, part.labels, splits.num_classes)
            for name, part in splits.parts.items()
        }

    def look_at(self, member: PoolMember) -> Found:
        """Evaluates the best weights of a member; called by a thread."""
        is_diagnosed = member.config["diagnostics"]
        has_confusion = is_diagnosed and self.splits.num_classes <= MOST_CLASSES
        wanted = ("val", "test") if has_confusion else ("test",)
        found = {
            name: evaluate(member.native, self.native[name], member.best_weights)
            for name in wanted
            if name in self.native
        }
        return found, self._diagnosis(member) if is_diagnosed else None

    def findings(self, found: Sequence[Found]) -> list[Findings]:
        """What each member's record says of them."""
        test = [sums["test"] for sums, _ in found if "test" in sums]
        tested = scores(np.stack([each.confusion for each in test])) if test else {}
        columns = {f"test/{name}": values.tolist() for name, values in tested.items()}
        result: list[Findings] = []
        for index, (sums, diagnosis) in enumerate(found):
            metrics = {"test/loss": sums["test"].loss} if test else {}
            metrics |= {name: values[index] for name, values in columns.items()}
            counts = {name: each.confusion for name, each in sums.items()}
            result.append(Findings(metrics, confusion_of(self.splits, counts), diagnosis))
        return result

    def _diagnosis(self, member: PoolMember) -> dict[str, Any] | None:
        kind = member.network
        shape = StackShape(
            self.splits.input_size,
            kind.hidden_size,
            self.splits.num_classes,
            kind.cell,  # pyright: ignore[reportArgumentType]  the config has been checked
            kind.nonlinearity,  # pyright: ignore[reportArgumentType]
            kind.num_layers,
            kind.bidirectional,
            kind.pooling,  # pyright: ignore[reportArgumentType]
        )
        network = StackedNetwork(shape, [kind.hidden_size], [0.0])
        network.load(0, member.best_weights)
        loss = StackedLoss(
            [member.class_weights], [member.label_smoothing], self.splits.num_classes
        )
        return diagnose(network, loss, self.splits)[0]

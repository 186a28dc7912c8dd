"""What the best weights of members do on data that chose nothing.

K members, C classes.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from seqsweep.data.sequences import Sequences, Splits
from seqsweep.native.step import Data, Network, Sums, evaluate, trace
from seqsweep.training.diagnosis import Chosen, choose, confusion_of, diagnosis_of, splits_tested
from seqsweep.training.engines.ending import Findings
from seqsweep.training.engines.joint.scores import scores
from seqsweep.training.engines.native.member import PoolMember

Found = tuple[dict[str, Sums], dict[str, Any] | None]
"""The sums of a member on each split that was looked at, and its diagnosis."""


class PoolData:
    """The splits of a pool, as its threads read them."""

    def __init__(self, splits: Splits) -> None:
        self.splits = splits
        self.native = {name: _data(part) for name, part in splits.parts.items()}

    def look_at(self, member: PoolMember) -> Found:
        """Evaluates the best weights of a member; called by a thread."""
        found = {
            name: evaluate(member.native, self.native[name], member.best_weights)
            for name in splits_tested(member.config, self.splits)
        }
        if not member.config["diagnostics"]:
            return found, None
        return found, self.diagnose(member.native, member.best_weights)

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

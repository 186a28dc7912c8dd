"""Estimates a run's time from its floating-point operations. Imports no torch."""

from seqsweep.native.flops import flops
from seqsweep.native.structs import Shape
from seqsweep.training.data_cache import prepared
from seqsweep.training.engine import architecture_of
from seqsweep.training.planned_run import PlannedRun

_RATES = {"native": 5e10, "autograd": 5e9}
"""The floating-point operations per second on one core, rounded from docs/benchmarks.md."""

_EPOCH_SECONDS = {"native": 2e-4, "autograd": 2e-2}
"""The seconds of an epoch apart from its operations: metrics, logs, Lightning."""


def seconds_of(member: PlannedRun, engine: str) -> float:
    """Returns the estimated seconds of a run on one core; 0 for a user's network."""
    return epoch_seconds(member, engine) * member.config["trainer"]["max_epochs"]


def epoch_seconds(member: PlannedRun, engine: str) -> float:
    """Returns the estimated seconds of an epoch on one core; 0 for a user's network."""
    network = architecture_of(member.config["model"])
    if network is None or member.data_fingerprint is None:
        return 0.0
    splits = prepared(member.config)
    features = member.config["model"].get("embedding_dim") or splits.input_size
    shape = Shape(input_size=features, num_classes=splits.num_classes, **network._asdict())
    return flops(shape, splits.train.num_steps) / _RATES[engine] + _EPOCH_SECONDS[engine]

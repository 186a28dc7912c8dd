"""A member of a stack or a pool.

C classes, P parameters of the network.
"""

import functools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqsweep.config.instantiate import build
from seqsweep.data.sequences import Splits
from seqsweep.data.transforms.augment import augmentation_of
from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.module import check_loss
from seqsweep.runs.run_folder import RunFolder
from seqsweep.seeding import global_stream, stream_seed
from seqsweep.training.best_epoch import BestEpoch
from seqsweep.training.build_run import (
    build_loggers,
    class_weights,
    sizes_from_data,
)
from seqsweep.training.callbacks import EarlyStop
from seqsweep.training.checkpoints import BestAndLast
from seqsweep.training.data_cache import translate_memory_errors
from seqsweep.training.description import description
from seqsweep.training.engine import Network, network_of
from seqsweep.training.engines.joint.schedule import Schedule, shared_schedule
from seqsweep.training.engines.member_log import MemberLog
from seqsweep.training.limits import Paused, Pruned
from seqsweep.training.monitors import check_monitors
from seqsweep.training.planned_run import PlannedRun

Checkpoint = dict[str, Any]

Layout = list[tuple[str, torch.Size]]
"""Name and shape of each parameter of a network, in the order of its weights as one vector."""


class TrainingMember:
    """The parts of a run that it does not share with others.

    Nothing is written.

    Args:
        member: a checked config.
        folder: the folder of the run.
        splits: the data, shared with the other members.
        schedules: the schedules made so far, by their configs, for members that can share one.

    Raises:
        ValueError, TypeError, OSError: a part of the config is refused.
    """

    def __init__(
        self, member: PlannedRun, folder: Path, splits: Splits, schedules: dict[str, Schedule]
    ) -> None:
        config = member.config
        network = network_of(config["model"])
        assert network is not None, "only networks of ours come here"
        check_monitors(config, splits)
        check_loss(config["loss"]["label_smoothing"], config["trainer"].get("gradient_clip_val"))
        self.planned = member
        self.config = config
        self.folder = RunFolder(folder)
        self.network: Network = network
        self.template, self.layout = _template(
            json.dumps(config["model"], sort_keys=True), splits.input_size, splits.num_classes
        )
        self.schedule = shared_schedule(config, schedules)
        self.class_weights = class_weights(
            config["loss"]["class_weights"], splits.train.labels, splits.num_classes
        )
        self.label_smoothing: float = config["loss"]["label_smoothing"]
        self.clip: float | None = config["trainer"].get("gradient_clip_val")
        # An open seed of the data is the run's seed.
        seed = config["data"].get("seed")
        self.shuffle_seed: int = config["seed"] if seed is None else seed
        self.dropout_seed = stream_seed(config["seed"], "dropout")
        shaping = splits.scaling and splits.scaling.shaping
        self.augmentation = augmentation_of(config["data"].get("transform"), shaping)
        self.early_stop: EarlyStop | None = None
        for name, section in (config["callbacks"] or {}).items():
            if section is not None:
                callback = build(section, f"callbacks.{name}")
                if isinstance(callback, EarlyStop):
                    self.early_stop = callback
                elif isinstance(callback, BestAndLast):
                    self.best: BestEpoch = callback.best
        self.description = description(config, splits)
        self.log = MemberLog(folder, build_loggers(config, folder))
        self.begun = (folder / "config.yaml").exists()

    @property
    def run_id(self) -> str:
        return self.planned.run_id

    @property
    def params(self) -> int:
        return sum(math.prod(shape) for _, shape in self.layout)

    def initial_vector(self) -> Tensor:
        """Returns the first weights (P,), drawn from the stream `init` by the constructor."""
        # The same calls as in the constructor draw the same weights, without building a network.
        with global_stream(self.config["seed"], "init"):
            self.template.reset_parameters()
        return torch.cat([p.detach().flatten() for p in self.template.parameters()])

    def named(self, vector: Tensor) -> dict[str, Tensor]:
        """Returns weights (P,) by the names that they have in a `SequenceClassifier`."""
        parts = vector.split([math.prod(shape) for _, shape in self.layout])
        return {
            name: part.view(shape) for (name, shape), part in zip(self.layout, parts, strict=True)
        }

    def vector(self, state_dict: Mapping[str, Tensor]) -> Tensor:
        """Returns named weights as a vector (P,)."""
        return torch.cat([state_dict[name].flatten() for name, _ in self.layout])

    def state_dict(self) -> dict[str, Any]:
        """Returns the plain values of the member's state, for a checkpoint."""
        callbacks: dict[str, Any] = {"BestAndLast": self.best.state_dict()}
        if self.early_stop is not None:
            # A tensor would not be a plain value.
            stop = self.early_stop.state_dict()
            callbacks["EarlyStop"] = stop | {"best_score": float(stop["best_score"])}
        return {
            "callbacks": callbacks,
            "files": self.log.files,
            "pending": self.log.pending,
            "schedule": self.schedule.state_dict(),
        }

    def packed(self) -> dict[str, Any]:
        """Returns the state with its plain values as one text.

        torch.save takes a microsecond for each value, and a stack has many thousands of values.
        """
        state = self.state_dict()
        schedule, pending = state.pop("schedule"), "\n".join(state.pop("pending"))
        return {"plain": json.dumps(state), "pending": pending, "schedule": schedule}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the state from a checkpoint of this run."""
        self.best.load_state_dict(state["callbacks"]["BestAndLast"])
        if self.early_stop is not None:
            stop = state["callbacks"]["EarlyStop"]
            self.early_stop.load_state_dict(stop | {"best_score": torch.tensor(stop["best_score"])})
        self.schedule.load_state_dict(state["schedule"])
        self.log.restore(state["files"], state["pending"])

    def at_limit(self) -> Pruned | Paused | None:
        """Returns why the run ends early or pauses after its last finished epoch, or None."""
        limits = self.planned.limits
        return None if limits is None else limits.judge(self.best)

    def had_stopped(self) -> bool:
        """Returns whether early stopping had ended the run before it was killed."""
        stop = self.early_stop
        return stop is not None and 0 < stop.wait_count >= stop.patience

    def should_stop(self, metrics: Mapping[str, float]) -> bool:
        """Returns whether early stopping ends the run after an epoch with these metrics."""
        if self.early_stop is None:
            return False
        # The public hooks of EarlyStopping need a Trainer, whose metrics would be those of one
        # member.
        current = torch.tensor(metrics[self.early_stop.monitor])
        stop, _ = self.early_stop._evaluate_stopping_criteria(current)  # pyright: ignore[reportPrivateUsage]
        return stop


def unpacked(state: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the state that `TrainingMember.packed` has packed."""
    pending = state["pending"].splitlines()
    return {"schedule": state["schedule"], "pending": pending, **json.loads(state["plain"])}


@functools.lru_cache(maxsize=512)
@translate_memory_errors()
def _template(model: str, input_size: int, num_classes: int) -> tuple[RNNClassifier, Layout]:
    """Returns a network that all members of equal models share, and its layout."""
    section = json.loads(model)
    sizes = {"input_size": input_size, "num_classes": num_classes}
    network = build(section, "model", **sizes_from_data(section, sizes))
    named = network.named_parameters()
    return network, [(f"network.{name}", parameter.shape) for name, parameter in named]


def checkpoints(
    member: TrainingMember,
    head: Checkpoint,
    weights: Tensor,
    moments: Mapping[str, Tensor],
    best: Tensor,
) -> tuple[Checkpoint, Checkpoint]:
    """Returns a run's last checkpoint and its best one.

    Both hold the weights by the names of the network's parameters, and the run's description, as
    every checkpoint of a run does. The best one holds no optimizer, since a run resumes from its
    last checkpoint.

    Args:
        head: the member's `state_dict`, with `engine`, `epoch` and `global_step`.
        weights, moments, best: (P,) each.
    """
    last = head | {"state_dict": member.named(weights), "optimizer": dict(moments)}
    last |= member.description
    callbacks = head["callbacks"]
    first = {
        "engine": head["engine"],
        "callbacks": callbacks,
        "epoch": callbacks["BestAndLast"]["best_epoch"],
        "state_dict": member.named(best),
        **member.description,
    }
    return last, first

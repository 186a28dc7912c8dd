"""Networks and schedules that members of equal configs share.

P parameters of the network.
"""

import functools
import json
import math
import threading
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from seqsweep.config.instantiate import build
from seqsweep.config.schema import Config
from seqsweep.models.classifier import RNNClassifier
from seqsweep.runs.metrics_csv import EpochRow
from seqsweep.seeding import drawing_from, stream
from seqsweep.training.checks import plateau_monitor, sizes_from_data
from seqsweep.training.optimizers import check_options
from seqsweep.training.run_data import translate_memory_errors

Options = dict[str, float]

_lock = threading.Lock()

_NAMES = ("lr", "eps", "weight_decay", "momentum", "nesterov", "alpha")


class Template:
    """A network that draws and names weights for all members with equal `model` sections.

    Attributes:
        shapes: the shape of each parameter by its name in a `SequenceClassifier`, in the order of
            the weight vector.
    """

    def __init__(self, network: RNNClassifier) -> None:
        self.network = network
        named = network.named_parameters()
        self.shapes = {f"network.{name}": parameter.shape for name, parameter in named}
        self.params = sum(map(math.prod, self.shapes.values()))

    def first_weights(self, seed: int) -> Tensor:
        """Draws the first weights (P,) of a run from its stream `init`."""
        # `reset_parameters` draws the constructor's weights without building a network. The lock is
        # for programs that train in several threads, which share this network.
        with _lock, drawing_from(stream(seed, "init")):
            self.network.reset_parameters()
            return torch.cat([p.detach().flatten() for p in self.network.parameters()])

    def named(self, vector: Tensor) -> dict[str, Tensor]:
        """Returns weights (P,) by their names."""
        parts = vector.split([math.prod(shape) for shape in self.shapes.values()])
        pairs = zip(self.shapes.items(), parts, strict=True)
        return {name: part.view(shape) for (name, shape), part in pairs}

    def vector(self, state_dict: Mapping[str, Tensor]) -> Tensor:
        """Returns named weights as a vector (P,)."""
        return torch.cat([state_dict[name].flatten() for name in self.shapes])


def template_of(model: Config, input_size: int, num_classes: int) -> Template:
    """Returns the template of a config's model, built once."""
    return _template(json.dumps(model, sort_keys=True), input_size, num_classes)


@functools.lru_cache(maxsize=512)
@translate_memory_errors()
def _template(model: str, input_size: int, num_classes: int) -> Template:
    section = json.loads(model)
    sizes = sizes_from_data(section, input_size, num_classes)
    with drawing_from(torch.Generator()):  # `first_weights` draws the weights
        return Template(build(section, "model", **sizes))


class Schedule:
    """Computes an optimizer's options (lr and others) in each epoch, with torch's scheduler.

    The scheduler acts on an optimizer of torch that trains nothing; the options are read from this
    optimizer. Options that do not depend on a metric are a function of the epoch. Members with
    equal optimizers and schedulers then share one schedule, even at different epochs.
    """

    def __init__(self, config: Config) -> None:
        self.scheduler: Any = None
        section = config["optimizer"]
        options = {key: v for key, v in section.items() if key not in ("_target_", "_partial_")}
        # Without a scheduler no optimizer is made, because the first one of a process imports
        # torch._dynamo, which takes half a second.
        if config["scheduler"] is None:
            check_options(**options)
        else:
            self.optimizer: Optimizer = build(section, "optimizer")([nn.Parameter(torch.zeros(1))])
            self.scheduler = build(config["scheduler"], "scheduler")(self.optimizer)
            options = self.optimizer.param_groups[0]
        self.follows_metric = isinstance(self.scheduler, ReduceLROnPlateau)
        self.monitor = plateau_monitor(config)
        self._by_epoch = [hyperparameters(options)]

    def options(self, epoch: int) -> Options:
        """Returns an epoch's options; if they follow a metric, `epoch` must be the next."""
        if self.scheduler is None or self.follows_metric:
            return self._by_epoch[-1]
        # The scheduler only moves forward, so the options of earlier epochs are kept.
        while len(self._by_epoch) <= epoch:
            self._by_epoch.append(self._moved())
        return self._by_epoch[epoch]

    def see(self, metrics: EpochRow) -> None:
        """Steps a scheduler that follows a metric, after an epoch."""
        if self.follows_metric and self.monitor in metrics:
            self._by_epoch = [self._moved(metrics[self.monitor])]

    def _moved(self, *metric: float) -> Options:
        # The optimizer changes nothing, but a scheduler warns if it has never stepped.
        self.optimizer.step()
        self.scheduler.step(*metric)
        return hyperparameters(self.optimizer.param_groups[0])

    def state_dict(self) -> dict[str, Any] | None:
        """Returns the state of a scheduler that follows a metric, else None."""
        if not self.follows_metric:
            return None
        options = {k: v for k, v in self.optimizer.param_groups[0].items() if k != "params"}
        return {"scheduler": self.scheduler.state_dict(), "options": options}

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        if state is not None and self.follows_metric:
            self.scheduler.load_state_dict(state["scheduler"])
            self.optimizer.param_groups[0].update(state["options"])
            self._by_epoch = [hyperparameters(self.optimizer.param_groups[0])]


def schedule_of(config: Config) -> Schedule:
    """Returns the schedule of a config, shared unless it follows the member's metrics."""
    sections = {name: config[name] for name in ("optimizer", "scheduler", "monitor")}
    shared = _schedule(json.dumps(sections, sort_keys=True))
    return Schedule(config) if shared.follows_metric else shared


@functools.lru_cache(maxsize=512)
def _schedule(sections: str) -> Schedule:
    return Schedule(json.loads(sections))


def hyperparameters(options: Mapping[str, Any]) -> Options:
    """Returns those options of an optimizer that the native library reads."""
    result = {name: float(options[name]) for name in _NAMES if name in options}
    if "betas" in options:
        result["beta1"], result["beta2"] = options["betas"]
    return result

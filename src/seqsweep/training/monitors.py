"""The check of the metrics that callbacks and schedulers monitor."""

from collections.abc import Iterator
from typing import get_args

from seqsweep.config.schema import Config, Monitor
from seqsweep.data.sequences import Splits
from seqsweep.runs.metric_names import lower_is_better

_CHECKPOINT = "seqsweep.training.checkpoints.BestAndLast"
_OF_OUR_METRICS = (
    "seqsweep.training.callbacks.EarlyStop",
    "seqsweep.training.schedulers.plateau",
)
_PLATEAU = "torch.optim.lr_scheduler.ReduceLROnPlateau"


def check_monitors(config: Config, splits: Splits) -> None:
    """Refuses callbacks and schedulers that monitor a metric never logged.

    Checkpoints may monitor a missing metric (see `BestEpoch`), and callbacks of the user's own may
    monitor metrics of the user's own.
    """
    why_not = _why_no_validation(config["trainer"], splits)
    known = [name for name in get_args(Monitor) if not (why_not and name.startswith("val/"))]
    for key, section in _sections_with_monitor(config):
        monitor = str(section["monitor"])
        is_ours = section["_target_"] in _OF_OUR_METRICS
        if monitor not in known and (is_ours or (why_not and monitor.startswith("val/"))):
            lacks = f" ({why_not})" if why_not else ""
            raise ValueError(f"{key}.monitor={monitor!r}: must be one of {', '.join(known)}{lacks}")
    scheduler = config["scheduler"]
    if scheduler is not None and scheduler["_target_"] == _PLATEAU:
        # torch's class cannot know the metric, and a wrong mode would lower lr after each
        # improvement.
        right = "min" if lower_is_better(config["monitor"]) else "max"
        if scheduler["mode"] != right:
            raise ValueError(
                f"scheduler.mode={scheduler['mode']}: must be {right} for monitor="
                f"{config['monitor']}"
            )


def _sections_with_monitor(config: Config) -> Iterator[tuple[str, Config]]:
    """Yields the scheduler and the callbacks that monitor a metric, with their keys."""
    scheduler = config["scheduler"]
    if scheduler is not None and scheduler["_target_"] == _PLATEAU:
        yield "scheduler", scheduler | {"monitor": config["monitor"]}
    elif scheduler is not None and "monitor" in scheduler:
        yield "scheduler", scheduler
    for name, section in (config["callbacks"] or {}).items():
        if section and section["_target_"] != _CHECKPOINT and section.get("monitor") is not None:
            yield f"callbacks.{name}", section


def _why_no_validation(trainer: Config, splits: Splits) -> str | None:
    """Returns the reason why a run never validates, or None."""
    every, epochs = trainer.get("check_val_every_n_epoch", 1), trainer["max_epochs"]
    if splits.val is None:
        return "there is no validation split"
    if trainer.get("limit_val_batches") == 0:
        return "trainer.limit_val_batches=0"
    if isinstance(every, int) and every > epochs:
        return f"trainer.check_val_every_n_epoch={every} and trainer.max_epochs={epochs}"
    return None

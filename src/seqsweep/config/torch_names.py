"""torch's optimizers, named by their classes. Imports no torch."""

import re
from typing import Any

_FLAGS: dict[str, Any] = {"foreach": None, "maximize": False, "differentiable": False}
_ADAM = _FLAGS | {"amsgrad": False, "capturable": False, "fused": None}
_CLASSES: dict[str, tuple[float, dict[str, Any]]] = {
    "Adam": (1e-3, _ADAM | {"decoupled_weight_decay": False}),
    "AdamW": (1e-3, _ADAM),
    "SGD": (1e-3, _FLAGS | {"dampening": 0, "fused": None}),
    "RMSprop": (1e-2, _FLAGS | {"centered": False, "capturable": False}),
}
"""Each class with torch's default lr, and the arguments that `training.optimizers` does not have,
with the values that change nothing."""


def with_our_optimizer(section: Any) -> Any:
    """The section `optimizer`, with ours in the place of a torch class that it equals.

    So `torch.optim.Adam` is the same run as `optimizer=adam`, and trains in a stack. A class with
    an argument that ours does not have, such as `amsgrad=true`, stays torch's.
    """
    if not isinstance(section, dict):
        return section
    found = re.fullmatch(r"torch\.optim\.(?:\w+\.)?(\w+)", str(section.get("_target_")))
    if found is None or found[1] not in _CLASSES:
        return section
    lr, neutral = _CLASSES[found[1]]
    if any(name in neutral and value != neutral[name] for name, value in section.items()):
        return section
    kept = {name: value for name, value in section.items() if name not in neutral}
    target = f"seqsweep.training.optimizers.{found[1].lower()}"
    return {"lr": lr} | kept | {"_target_": target}

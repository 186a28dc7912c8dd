"""Replaces torch's optimizer classes by the project's own. Imports no torch."""

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
"""The default lr of each class of torch, and its arguments that `training.optimizers` lacks.

Each argument stands with the value that changes nothing.
"""


def with_our_optimizer(section: Any) -> Any:
    """Returns the section `optimizer` with a torch class replaced by its equal of ours.

    So `torch.optim.Adam` is the same run as `optimizer=adam`, and every engine can train it. A
    class with an argument that ours lacks, such as `amsgrad=true`, is not replaced.
    """
    if not isinstance(section, dict):
        return section
    match = re.fullmatch(r"torch\.optim\.(?:\w+\.)?(\w+)", str(section.get("_target_")))
    if match is None or match[1] not in _CLASSES:
        return section
    lr, neutral = _CLASSES[match[1]]
    # Such an optimizer computes something else, which only torch's class can do.
    if any(name in neutral and value != neutral[name] for name, value in section.items()):
        return section
    kept = {name: value for name, value in section.items() if name not in neutral}
    target = f"seqsweep.training.optimizers.{match[1].lower()}"
    # torch has defaults for lr, while the functions of ours require it.
    return {"lr": lr} | kept | {"_target_": target}

"""Loads a trained run with all that its use needs, except the training data.

B sequences, T time steps, F features (channels).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy.typing as npt
import torch
from torch import Tensor, nn

from seqsweep.config.instantiate import build
from seqsweep.config.schema import Config
from seqsweep.data.fitted import Scaling
from seqsweep.data.padding import padded
from seqsweep.runs.run_folder import RunFolder
from seqsweep.seeding import global_stream
from seqsweep.training.build_run import sizes_from_data
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.data_cache import prepared
from seqsweep.training.description import KEYS, description, scaling_of
from seqsweep.training.saved_config import own_targets, refuse_foreign_targets, saved_data

_PREFIX = "network."
"""Begins the names of the weights in a checkpoint: the attribute of `SequenceClassifier`."""


class Inputs(NamedTuple):
    """The input of a network: x (B, T, F) float32, padded with zeros, and lengths (B,) int64."""

    x: Tensor
    lengths: Tensor


@dataclass(frozen=True, eq=False)
class LoadedRun:
    """A trained run.

    Args:
        checkpoint: the file that the weights are from.
        config: the whole resolved config.
        network: maps x (B, T, F) and lengths (B,) to logits (B, C); in evaluation mode.
        class_names: C names, in the order of the logits.
        channel_names: F names, in the order of the features.
        scaling: what `prepare` applies; None where a data module of your own scales by itself.
        epoch: of the weights, counted from 0.
    """

    checkpoint: Path
    config: Config
    network: nn.Module
    class_names: tuple[str, ...]
    channel_names: tuple[str, ...]
    scaling: Scaling | None
    epoch: int

    def __repr__(self) -> str:
        name = type(self.network).__name__
        classes, channels = len(self.class_names), len(self.channel_names)
        return f"LoadedRun({self.checkpoint}: {name}, {channels} channels, {classes} classes)"

    def prepare(
        self, x: npt.ArrayLike | Sequence[npt.ArrayLike], lengths: npt.ArrayLike | None = None
    ) -> Inputs:
        """Returns raw sequences as the network takes them: `run.network(*run.prepare(x))`.

        They are scaled as the training data were, to the bit.

        Args:
            x: (B, T, F), or (B, T) for one channel; or a list of B sequences (T, F) or (T,), which
                may differ in T.
            lengths: (B,) valid steps of each sequence in an array; without them all T.

        Raises:
            ValueError, TypeError: x or lengths have another shape or type than expected.
        """
        if self.scaling is None:
            target = self.config["data"].get("_target_")
            raise ValueError(
                f"{self.checkpoint}: holds no scaling; {target} prepares its sequences"
            )
        values, steps = padded(x, lengths)
        if values.shape[2] != len(self.channel_names):
            raise ValueError(
                f"x: expected {len(self.channel_names)} channels, got {values.shape[2]}"
                f" (shape {values.shape})"
            )
        scaled = self.scaling.apply(values, steps)
        return Inputs(torch.from_numpy(scaled), torch.from_numpy(steps))


def load_run(
    folder: Path | str,
    checkpoint: Literal["best", "last"] = "best",
    allow: Sequence[str] = (),
) -> LoadedRun:
    """Loads the network of a run with its weights, scaling, class names and config.

    The training data are not needed: a checkpoint holds all of it. Only one that an older version
    has written takes scaling and names from the data.

    Args:
        folder: a run's folder, or a checkpoint file wherever it lies.
        checkpoint: which of the folder's two.
        allow: dotted names of your own networks, which a config out of a file may build.

    Raises:
        FileNotFoundError: no checkpoint is there.
        ValueError: the file is damaged, something is missing in it, or its network is not allowed.
    """
    path = _checkpoint_file(Path(folder), checkpoint)
    content = load_sealed(path)
    run = RunFolder(path.parent.parent if path.parent.name == "checkpoints" else path.parent)
    content = _described(content, run, path, allow)
    return run_of(content, path, allow)


def run_of(content: dict[str, Any], path: Path, allow: Sequence[str] = ()) -> LoadedRun:
    """Returns the run of a checkpoint's content, which describes it.

    Args:
        content: as `load_sealed` returns it.
        path: the file that it is from.
        allow: see `load_run`.

    Raises:
        ValueError: the network is not allowed.
    """
    weights = content["state_dict"]
    network = _network(content, path, allow)
    network.load_state_dict({name.removeprefix(_PREFIX): w for name, w in weights.items()})
    return LoadedRun(
        path,
        content["config"],
        network.eval(),
        tuple(content["class_names"]),
        tuple(content["channel_names"]),
        scaling_of(content),
        content["epoch"],
    )


def _checkpoint_file(path: Path, checkpoint: str) -> Path:
    if checkpoint not in ("best", "last"):
        raise ValueError(f"checkpoint={checkpoint!r}: must be best or last")
    if path.is_file():
        return path
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder (in {Path.cwd()})")
    name = f"{checkpoint}.ckpt"
    for found in (path / "checkpoints" / name, path / name):
        if found.is_file():
            return found
    raise FileNotFoundError(f"{path}: is not the folder of a run with checkpoints/{name}")


def _described(
    content: dict[str, Any], run: RunFolder, path: Path, allow: Sequence[str]
) -> dict[str, Any]:
    """The content of a checkpoint with all keys that describe its run.

    The config of the run's folder wins: epochs taken over from a shorter run have the config of
    that one.
    """
    config = run.config() if path.parent.name == "checkpoints" else None
    if config is not None:
        content = content | {"config": config}
    missing = [key for key in KEYS if key not in content]
    if not missing:
        return content
    problem = f"{path}: holds no {', '.join(missing)}, as checkpoints of older versions"
    if config is None:
        raise ValueError(f"{problem}, and there is no config.yaml to find the data by")
    try:
        splits = prepared(saved_data(run, allow).config)
    except (ValueError, TypeError, OSError) as error:
        raise ValueError(f"{problem}, and the data cannot be read: {error}") from error
    return description(config, splits) | content


def _network(content: dict[str, Any], path: Path, allow: Sequence[str]) -> nn.Module:
    section = content["config"]["model"]
    refuse_foreign_targets({"model": section}, [*own_targets(), *allow], str(path))
    sizes = {
        "input_size": len(content["channel_names"]),
        "num_classes": len(content["class_names"]),
    }
    with global_stream(0, "init"):  # leaves torch's global generator as it is
        return build(section, "model", **sizes_from_data(section, sizes))

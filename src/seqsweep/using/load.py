"""Loads a trained run without its training data.

B sequences, T time steps, F features (channels), C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seqsweep.config.instantiate import build
from seqsweep.config.messages import named
from seqsweep.config.schema import Config, check_section
from seqsweep.data.checks import class_indices, label_array
from seqsweep.data.padding import padded
from seqsweep.data.scaling import Scaling, difference_notes
from seqsweep.data.transforms import Transform, transform_of
from seqsweep.data.vocabulary import Vocabulary, encoded
from seqsweep.elementary import softmax
from seqsweep.errors import Damaged, DataError, FolderError, raised_as
from seqsweep.models.layers import logits_in_batches
from seqsweep.runs.files import say_once
from seqsweep.runs.identity import CODE, DATA_MODULE, is_own_module
from seqsweep.runs.run_folder import RunFolder
from seqsweep.seeding import drawing_from, global_stream
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.checks import sizes_from_data
from seqsweep.training.description import scaling_of, vocabulary_of
from seqsweep.training.findings import native_logits
from seqsweep.training.run_data import translate_memory_errors
from seqsweep.training.saved_config import own_targets, refuse_foreign_targets
from seqsweep.training.user_code import code_of, differing
from seqsweep.using.bundle_file import PREFIX, is_bundle, read_bundle
from seqsweep.using.check_content import check_content, check_sizes, check_weights
from seqsweep.using.find_run import find_run
from seqsweep.using.scores import Evaluation, Float64, evaluate
from seqsweep.using.stream import Stream, check_steps, known_network, scaling_of_step

BATCH_SIZE = 512
"""The number of sequences in a batch; torch's last bits depend on it, not those of native."""

Checkpoint = Literal["best", "last"]

Raw = npt.ArrayLike | Sequence[npt.ArrayLike] | Sequence[str]
"""Sequences as a user has them: an array, a list of arrays, or a list of texts."""


class Inputs(NamedTuple):
    """The network's input: x (B, T, F) float32, padded with zeros, and lengths (B,) int64."""

    x: Tensor
    lengths: Tensor


@dataclass(frozen=True, eq=False)
class LoadedRun:
    """A trained run.

    Args:
        checkpoint: the file of the weights: a checkpoint or a bundle.
        config: the whole resolved config.
        network: maps x (B, T, F) and lengths (B,) to logits (B, C), or x alone if its `forward` has
            one argument; or the LightningModule of the user. It is in evaluation mode.
        class_names: C names, in the order of the logits.
        channel_names: F names, in the order of the features that the network reads.
        scaling: the scaling that `prepare` applies; None if a user's data module does the scaling.
        epoch: the epoch of the weights, counted from 0.
        vocabulary: the symbols of a run on texts; None for other data.
    """

    checkpoint: Path
    config: Config
    network: nn.Module
    class_names: tuple[str, ...]
    channel_names: tuple[str, ...]
    scaling: Scaling | None
    epoch: int
    vocabulary: Vocabulary | None = None

    def __repr__(self) -> str:
        name = type(self.network).__name__
        classes, channels = len(self.class_names), len(self.channel_names)
        kind = type(self).__name__
        return f"{kind}({self.checkpoint}: {name}, {channels} channels, {classes} classes)"

    def _repr_html_(self) -> str:
        classes, channels = ", ".join(self.class_names), ", ".join(self.channel_names)
        lines = (f"{self!r}, epoch {self.epoch}", f"classes: {classes}", f"channels: {channels}")
        return "<br>".join(map(escape, lines))

    @property
    def folder(self) -> Path | None:
        """The folder of the run; None if the checkpoint is elsewhere."""
        folder = self.checkpoint.parent
        is_inside = folder.name == "checkpoints" and (folder.parent / "config.yaml").is_file()
        return folder.parent if is_inside else None

    @property
    def module(self) -> nn.Module:
        """The LightningModule of the user, or else the network."""
        return self.network

    @property
    def is_module(self) -> bool:
        """Returns whether it is a LightningModule of the user."""
        return is_own_module(self.config)

    @property
    def source_channels(self) -> tuple[str, ...]:
        """The names of the channels that `prepare` expects."""
        shaping = None if self.scaling is None else self.scaling.shaping
        return self.channel_names if shaping is None else shaping.channel_names

    @property
    def transform(self) -> Transform:
        """The transform of the run's data; nothing for a data module of the user."""
        data = self.config["data"]
        return transform_of(data.get("transform") if data.get("_target_") == DATA_MODULE else None)

    @raised_as(DataError)
    def prepare(self, x: Raw, lengths: npt.ArrayLike | None = None) -> Inputs:
        """Returns the network's input for raw sequences: `run.network(*run.prepare(x))`.

        Raw sequences are transformed and scaled exactly like the training data. A run on windows
        takes windows, which the commands cut from recordings.

        Args:
            x: (B, T, F), or (B, T) for one channel; or a list of B sequences (T, F) or (T,), which
                may differ in T. For a run on texts: a list of B texts.
            lengths: (B,) the valid steps of each sequence in an array; None means T steps each.

        Raises:
            DataError: x or lengths have another shape or type than expected, or the run
                has no scaling.
        """
        if self.scaling is None:
            target = self.config["data"].get("_target_")
            raise ValueError(
                f"{self.checkpoint}: holds no scaling; {target} prepares its sequences, which"
                " load_run(...).network(x, lengths) takes in Python"
            )
        if self.vocabulary is not None:
            indices, steps = encoded(self.vocabulary, x, lengths)
            return Inputs(torch.from_numpy(indices), torch.from_numpy(steps))
        values, steps = padded(x, lengths)
        if values.shape[2] != len(self.source_channels):
            raise ValueError(
                f"x: expected {len(self.source_channels)} channels, got {values.shape[2]}"
                f" (shape {values.shape})"
            )
        scaled, steps = self.scaling.apply(values, steps)
        return Inputs(torch.from_numpy(scaled), torch.from_numpy(steps))

    def predict(self, x: Raw, lengths: npt.ArrayLike | None = None) -> npt.NDArray[np.str_]:
        """Returns the predicted class names (B,) of raw sequences, see `prepare`."""
        return np.array(self.class_names)[self.predict_proba(x, lengths).argmax(axis=1)]

    def predict_proba(self, x: Raw, lengths: npt.ArrayLike | None = None) -> Float64:
        """Returns the probabilities (B, C), in the order of `class_names`."""
        return self.apply(self._noted(x, lengths))

    def _noted(self, x: Raw, lengths: npt.ArrayLike | None) -> Inputs:
        """Returns prepared sequences, and says how they differ from those of training."""
        inputs = self.prepare(x, lengths)
        arrays = inputs.x.numpy(), inputs.lengths.numpy()
        for note in difference_notes(*arrays, self.scaling, self.source_channels, "x"):
            say_once(note)
        return inputs

    def stream(self) -> Stream:
        """Returns a stream, which classifies sequences step by step.

        Raises:
            ValueError: the run cannot be used step by step.
        """
        problem = f"{self.checkpoint}: cannot use {{}} step by step"
        network = known_network(self.network, problem)
        check_steps(network, self.scaling, self.checkpoint)
        scaling, kept = scaling_of_step(self.scaling)
        run, channels = replace(self, scaling=scaling), len(self.source_channels)
        return Stream(network, lambda values: run.prepare(values).x[:, 0], channels, kept)

    @raised_as(DataError)
    def evaluate(
        self,
        x: Raw,
        labels: npt.ArrayLike,
        lengths: npt.ArrayLike | None = None,
        resamples: int = 1000,
        seed: int = 0,
    ) -> Evaluation:
        """Predicts raw sequences and scores the predictions against their labels.

        Args:
            x, lengths: see `prepare`.
            labels: (B,) class names, or their positions in `class_names` if no class name is a
                number.
            resamples: the number of bootstrap resamples for the intervals; 0 for no intervals.
            seed: decides the resamples.

        Raises:
            DataError: see `prepare`, or a label is not a class of the run.
        """
        inputs = self._noted(x, lengths)
        probabilities = self.apply(inputs)
        given = label_array(labels, "labels")
        if len(given) != len(probabilities):
            raise ValueError(f"labels: expected {len(probabilities)}, got {len(given)}")
        indices = class_indices(given, self.class_names, "labels")
        steps = inputs.lengths.numpy()
        return evaluate(probabilities, indices, self.class_names, resamples, seed, lengths=steps)

    def apply(self, inputs: Inputs, batch_size: int = BATCH_SIZE) -> Float64:
        """Returns the probabilities (B, C) for prepared sequences.

        A network that the native engine trains is computed by its library, if this is there. The
        bits then depend neither on the processor nor on the other sequences.

        Args:
            batch_size: the number of sequences in a batch of torch.

        Raises:
            ValueError: the network returns NaN.
        """
        if self.is_module:
            name = self.config["model"]["_target_"]
            raise ValueError(
                f"{self.checkpoint}: what {name} returns is known to its own code alone; in Python,"
                f" seqsweep.load_run(RUN, allow=[...]).module is the trained {name}"
            )
        model, classes = self.config["model"], len(self.class_names)
        logits = native_logits(model, self.network, *inputs, classes)
        if logits is None:
            logits = logits_in_batches(self.network, *inputs, batch_size).numpy()
        # Double precision keeps small probabilities from being rounded to 0.
        probabilities = softmax(logits)
        if np.isnan(probabilities).any():
            row = int(np.isnan(probabilities).any(axis=1).argmax())
            raise ValueError(f"{self.checkpoint}: the network returns NaN for sequence {row}")
        return probabilities

    def apply_each(self, inputs: Inputs, batch_size: int = BATCH_SIZE) -> Float64:
        """Returns `apply` as the probabilities (1, B, C) of one member."""
        return self.apply(inputs, batch_size)[None]


@raised_as(FolderError)
def load_run(
    folder: Path | str, checkpoint: Checkpoint = "best", allow: Sequence[str] = ()
) -> LoadedRun:
    """Loads a run's network, weights, scaling, class names and config.

    The training data are not needed, because a checkpoint holds all of this.

    Args:
        folder: a run's folder; or a sweep's folder, whose best run by validation is chosen as in
            `seqsweep predict`; or the path of a checkpoint file or of a bundle (.zip).
        checkpoint: which checkpoint of the folder to load.
        allow: dotted names of your own networks that the config in the file may build.

    Raises:
        FileNotFoundError: there is no checkpoint.
        FolderError: the file is damaged or incomplete, or its network is not allowed; or a sweep
            has no complete run, or several data sets.
    """
    path, content = read_content(find_run(Path(folder))[0], checkpoint)
    return run_of(content, path, allow)


def run_of(content: dict[str, Any], path: Path, allow: Sequence[str] = ()) -> LoadedRun:
    """Builds the run that a checkpoint's content describes.

    Args:
        content: the content, as from `read_content`; it is changed in place.
        path: the file of the content.
        allow: see `load_run`.

    Raises:
        ValueError: the network is not allowed, or the content is not valid.
    """
    try:
        check_content(content)
        weights = {name.removeprefix(PREFIX): w for name, w in content["state_dict"].items()}
        network: Any = _network(content, weights, allow)
        code, now = content.get(CODE), code_of({"model": content["config"]["model"]})
        # Only the network's code is compared: a prediction does not use callbacks, for example.
        then = {name: code[name] for name in now if name in code} if isinstance(code, dict) else now
        if changed := differing(then, now):
            say_once(f"{path}: the code has changed since the run was trained: {changed}")
        if is_own_module(content["config"]):  # which may have a layer of that name
            weights = _weights_for(network, content)
        check_weights(weights, network)
        try:
            network.load_state_dict(weights, strict=getattr(network, "strict_loading", True))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise ValueError(f"the weights do not fit the network: {reason}") from None
    except RecursionError:
        raise Damaged(f"{path}: is nested too deeply") from None
    except (ValueError, TypeError) as error:
        raise Damaged(f"{path}: {error}") from error
    return LoadedRun(
        path,
        content["config"],
        network.eval(),
        tuple(content["class_names"]),
        tuple(content["channel_names"]),
        scaling_of(content),
        content["epoch"],
        vocabulary_of(content),
    )


def read_content(folder: Path | str, checkpoint: str = "best") -> tuple[Path, dict[str, Any]]:
    """Returns the file that `load_run` reads, and its content.

    Raises:
        FileNotFoundError, ValueError: see `load_run`.
    """
    path = _checkpoint_file(Path(folder), checkpoint)
    if is_bundle(path):
        return path, read_bundle(path)
    content = load_sealed(path)
    if path.parent.name == "checkpoints":
        # A checkpoint may be a copy from a run with fewer epochs, and then holds that run's config.
        config = RunFolder(path.parent.parent).config()
        content = content if config is None else content | {"config": config}
    return path, content


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


def _network(content: dict[str, Any], weights: dict[str, Any], allow: Sequence[str]) -> nn.Module:
    section = content["config"]["model"]
    ours = [target for target in own_targets() if target.startswith("seqsweep.models.")]
    data = content["config"]["data"]  # `evaluate` builds it too
    refuse_foreign_targets({"model": section}, [*ours, *allow], "its config", data)
    section = check_section(section, "model")
    channels, classes = (len(content[key]) for key in ("channel_names", "class_names"))
    # A data module may not know the sizes, and targets have no classes.
    if data.get("_target_") != DATA_MODULE or is_own_module(content["config"]):
        channels, classes = channels or None, classes or None
    sizes = sizes_from_data(section, channels, classes, vocabulary_of(content))
    is_ours = section["_target_"] in ours
    if is_ours:
        check_sizes(section, sizes, weights)
    # The saved weights replace what the constructor draws. A network of the user's may draw more.
    drawing = drawing_from(torch.Generator()) if is_ours else global_stream(0, "init")
    with translate_memory_errors(), drawing:
        network = build(section, "model", **sizes)
    if not isinstance(network, nn.Module):
        raise TypeError(f"model._target_={section['_target_']}: must make a torch.nn.Module")
    return network


def _weights_for(module: Any, content: dict[str, Any]) -> dict[str, Any]:
    """Returns the weights after the hooks that Lightning calls before it loads them."""
    try:
        with global_stream(0, "init"):
            module.configure_model()
            if content["state_dict"].keys() - module.state_dict().keys():  # `setup` makes layers
                module.setup("fit")
        module.on_load_checkpoint(content)
    except Exception as error:  # a user's code may need the Trainer or the data
        raise ValueError(f"the module needs more than its file: {named(error)}") from error
    return dict(content["state_dict"])

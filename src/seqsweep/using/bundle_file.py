"""Writes and reads bundles: a trained run in one zip file.

A bundle holds tensors and plain text, but no code. `config.json` holds all plain values that are
needed to build the network, and the digest of `weights.npz`, which holds all tensors.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqsweep.errors import Damaged
from seqsweep.runs.documents import sealed, unsealed
from seqsweep.runs.files import read_bytes, write_bytes
from seqsweep.runs.identity import CODE
from seqsweep.runs.provenance import version

FORMAT = 3
CONFIG, WEIGHTS = "config.json", "weights.npz"
README, PROVENANCE, ONNX = "README.txt", "provenance.json", "model.onnx"
_FILES = {CONFIG, WEIGHTS, README, PROVENANCE, ONNX}

_KEYS = ("epoch", "config", "class_names", "channel_names", "scaling", "vocabulary", CODE)
"""The keys of a checkpoint that `config.json` holds; not every run has the last two."""

PREFIX = "network."
"""The prefix of weight names in a checkpoint: `SequenceClassifier.network` is the network."""

_WRITTEN = (1980, 1, 1, 0, 0, 0)  # the earliest time of a zip, so that equal runs give equal bytes

_UNREADABLE = (ValueError, TypeError, LookupError, RuntimeError, ArithmeticError, EOFError,
               MemoryError, zipfile.BadZipFile)  # fmt: skip
"""The errors that zipfile, numpy and torch raise for files and arrays that they cannot read."""


def is_bundle(path: Path) -> bool:
    """Returns whether a file is a bundle, not a checkpoint."""
    try:
        with zipfile.ZipFile(path) as archive:
            return CONFIG in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def encode(content: Mapping[str, Any]) -> dict[str, bytes]:
    """Returns the files of a bundle that a network needs, by name.

    Args:
        content: the content of a checkpoint, as `using.load.read_content` returns it.
    """
    plain = {key: content[key] for key in _KEYS if key in content}
    tensors = {f"state_dict/{name}": weight for name, weight in content["state_dict"].items()}
    if plain["scaling"] is not None:
        scaling = plain["scaling"].items()
        tensors |= {f"scaling/{name}": of for name, of in scaling if torch.is_tensor(of)}
        plain["scaling"] = {name: of for name, of in scaling if not torch.is_tensor(of)}
    buffer = io.BytesIO()
    # NumPy has no bfloat16; float32 holds its values.
    arrays: dict[str, Any] = {
        name: (of.float() if of.dtype == torch.bfloat16 else of).numpy()
        for name, of in tensors.items()
    }
    np.savez(buffer, **arrays)
    weights = buffer.getvalue()
    digest = hashlib.sha256(weights).hexdigest()
    config = sealed({"format": FORMAT, "seqsweep": version(), WEIGHTS: digest, **plain})
    return {CONFIG: (json.dumps(config, indent=1) + "\n").encode(), WEIGHTS: weights}


def write_bundle(path: Path, files: Mapping[str, bytes]) -> None:
    """Writes the files into a zip; equal files give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _WRITTEN)
            # These fields are fixed, because the system and the file mode differ between machines.
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, data)
    write_bytes(path, buffer.getvalue())


def read_bundle(path: Path) -> dict[str, Any]:
    """Returns the content of a bundle, with the keys of a checkpoint.

    No file is extracted to the disk, and no code from the bundle is run.

    Raises:
        Damaged: a file is missing, unknown, compressed or of another format, or does not match its
            digest.
        OSError: the bundle cannot be read.
    """
    data = read_bytes(path)
    try:
        return _content(data, path)
    except Damaged:
        raise
    except _UNREADABLE as error:
        raise Damaged(f"{path}: cannot be read as a bundle: {error}") from None


def _content(data: bytes, path: Path) -> dict[str, Any]:
    with _opened(data) as archive:
        config = unsealed(archive.read(CONFIG), path / CONFIG)
        if config.get("format") != FORMAT:
            by = f"was made by seqsweep {config.get('seqsweep')}, in another format"
            raise Damaged(f"{path}: {by}; make it again from its run: seqsweep bundle")
        for name in (names := archive.namelist()):
            if name not in _FILES or names.count(name) > 1:
                raise Damaged(f"{path}: {name!r} is not a file of a bundle, or is in it twice")
        weights = archive.read(WEIGHTS)
    if hashlib.sha256(weights).hexdigest() != config[WEIGHTS]:
        raise Damaged(f"{path}: {WEIGHTS} does not match its digest in {CONFIG}")
    groups: dict[str, Any] = {"scaling": config["scaling"], "state_dict": {}}
    with _opened(weights), np.load(io.BytesIO(weights), allow_pickle=False) as arrays:
        for name in arrays.files:
            group, _, key = name.partition("/")
            groups[group][key] = torch.from_numpy(arrays[name])
    return {key: config[key] for key in _KEYS if key in config} | groups


def _opened(data: bytes) -> zipfile.ZipFile:
    """Opens a zip; raises ValueError where a few bytes could expand to any size."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        raise ValueError("its files must not be compressed")
    return archive

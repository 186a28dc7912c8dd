"""Writes and reads bundles: a trained run in one zip file.

A bundle holds tensors and plain text, but no code. `config.json` holds the config, and the digests
of the other files that are needed to build the network.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqsweep.errors import Damaged
from seqsweep.runs.documents import DIGEST, sealed
from seqsweep.runs.files import parse_json, read_bytes, write_bytes
from seqsweep.runs.identity import CODE, Config
from seqsweep.runs.provenance import version

FORMAT = 2
CONFIG, LABELS, SCALING, WEIGHTS = "config.json", "labels.json", "scaling.json", "weights.npz"
README, PROVENANCE, ONNX = "README.txt", "provenance.json", "model.onnx"
NAMES = ("class_names", "channel_names")

_FITTED = ("scaling", "vocabulary")
"""The checkpoint's keys for preparing inputs; only runs on texts have a vocabulary."""

PREFIX = "network."
"""The prefix of weight names in a checkpoint: `SequenceClassifier.network` is the network."""

_FILES = {CONFIG, LABELS, SCALING, WEIGHTS, README, PROVENANCE, ONNX}
_NEEDED = (CONFIG, LABELS, SCALING, WEIGHTS)
_LARGEST, _LARGEST_TEXT = 1 << 32, 1 << 26  # bytes of weights or ONNX, and of other files
_RATIO = 100
"""The largest compression ratio of a file in the zip; weights hardly shrink at all."""

_UNREADABLE = (ValueError, TypeError, RuntimeError, OverflowError)
"""The errors that numpy and torch raise for arrays that they cannot hold."""

_WRITTEN = (1980, 1, 1, 0, 0, 0)  # the earliest time of a zip, so that equal runs give equal bytes


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
    files = {
        LABELS: _json({key: content[key] for key in NAMES}),
        SCALING: _json(_plain({key: content[key] for key in _FITTED if key in content})),
        WEIGHTS: _npz({n.removeprefix(PREFIX): w for n, w in content["state_dict"].items()}),
    }
    config = {
        "format": FORMAT,
        "seqsweep": version(),
        "epoch": content["epoch"],
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "config": content["config"],
        **({CODE: content[CODE]} if CODE in content else {}),
    }
    return {CONFIG: _json(sealed(config)), **files}


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
        Damaged: a file is missing, unknown or too large, has another format, or does not match its
            digest.
        OSError: the bundle cannot be read.
    """
    files = _needed_files(path)
    config = _config(files[CONFIG], path)
    for name, digest in config["sha256"].items():
        if hashlib.sha256(files.get(name, b"")).hexdigest() != digest:
            raise Damaged(f"{path}: {name} does not match its digest in {CONFIG}")
    description = _description(files, path)
    kept = {key: config[key] for key in ("epoch", "config", CODE) if key in config}
    return {**description, **kept, "state_dict": _weights(files[WEIGHTS], path)}


def _needed_files(path: Path) -> dict[str, bytes]:
    """Returns the files of a bundle that a network needs."""
    try:
        with zipfile.ZipFile(io.BytesIO(read_bytes(path))) as archive:
            entries = archive.infolist()
            _check_entries(entries, path)
            # Other files, such as the README, may be missing.
            missing = set(_NEEDED) - {entry.filename for entry in entries}
            if missing:
                raise Damaged(f"{path}: {', '.join(sorted(missing))} is missing in the bundle")
            return {name: archive.read(name) for name in _NEEDED}
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OverflowError) as error:
        raise Damaged(f"{path}: is damaged, copy it again: {error}") from None


def _check_entries(entries: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuses unknown or repeated file names, and files that are too large."""
    names = [entry.filename for entry in entries]
    for entry in entries:
        name = entry.filename
        if name not in _FILES or names.count(name) > 1:
            raise Damaged(f"{path}: {name!r} is not a file of a bundle, or is in it twice")
        most = _LARGEST if name in (WEIGHTS, ONNX) else _LARGEST_TEXT
        # 4096 bytes are always allowed, because a tiny file may shrink by any factor.
        if entry.file_size > min(most, _RATIO * entry.compress_size + 4096):
            raise Damaged(f"{path}: {name} has {entry.file_size:,} bytes, too many for a bundle")


def _config(data: bytes, path: Path) -> Config:
    config = parse_json(data, path / CONFIG)
    try:
        is_sound = isinstance(config, dict) and config == sealed(config)
    except ValueError:  # a number that is not finite, which `sealed` never writes
        is_sound = False
    if not is_sound:
        raise Damaged(f"{path}: {CONFIG} does not match its {DIGEST}")
    # The digest is checked first, so that a damaged file is not reported as another version.
    if config.get("format") != FORMAT:
        expected = f"expected {FORMAT}; it was written by seqsweep {config.get('seqsweep')}"
        raise Damaged(f"{path}: {CONFIG} has format {config.get('format')!r}, {expected}")
    digests = config.get("sha256")
    if not isinstance(digests, dict) or set(digests) != {LABELS, SCALING, WEIGHTS}:
        raise Damaged(f"{path}: {CONFIG}: sha256 must have the digests of the other files")
    return config


def _description(files: Mapping[str, bytes], path: Path) -> dict[str, Any]:
    """Returns the names, the scaling and the vocabulary, where present."""
    content: dict[str, Any] = {}
    for file, keys in ((LABELS, NAMES), (SCALING, _FITTED)):
        values = parse_json(files[file], path / file)
        if not isinstance(values, dict):
            raise Damaged(f"{path}: {file}: must be a group of keys")
        for key in keys & values.keys():
            content[key] = _tensors(values[key], f"{path}: {key}")
    return content


def _npz(weights: Mapping[str, Tensor]) -> bytes:
    """Returns tensors as an .npz file."""
    buffer = io.BytesIO()
    # NumPy has no bfloat16; float32 holds its values.
    arrays: dict[str, Any] = {
        name: (w.float() if w.dtype == torch.bfloat16 else w).numpy() for name, w in weights.items()
    }
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _weights(data: bytes, path: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    name = WEIGHTS
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            # A few compressed bytes could expand to an array of any size.
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("its arrays must not be compressed")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            for name in arrays.files:
                weights[name] = torch.from_numpy(arrays[name])
    except (*_UNREADABLE, KeyError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise Damaged(f"{path}: state_dict: {name} cannot be read: {error}") from None
    return weights


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def _plain(value: Any) -> Any:
    """Returns a value for JSON; a tensor becomes its type, shape and values.

    The values are decimals from which `_tensors` restores the same bits.
    """
    if torch.is_tensor(value):
        kind = str(value.dtype).removeprefix("torch.")
        return {"dtype": kind, "shape": list(value.shape), "values": value.flatten().tolist()}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _tensors(value: Any, key: str) -> Any:
    """Restores a value from the output of `_plain`.

    Raises:
        Damaged: a stored tensor is not valid; the message begins with the key.
    """
    if isinstance(value, dict):
        if value.keys() == {"dtype", "shape", "values"}:
            try:
                kind = {"float32": torch.float32, "float64": torch.float64}[value["dtype"]]
                return torch.tensor(value["values"], dtype=kind).reshape(value["shape"])
            except (*_UNREADABLE, KeyError) as error:
                raise Damaged(f"{key} is not a tensor of floats: {error}") from None
        return {name: _tensors(item, f"{key}.{name}") for name, item in value.items()}
    return [_tensors(item, key) for item in value] if isinstance(value, list) else value

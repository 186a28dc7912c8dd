"""Writes a trained network as an ONNX file, for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING

from seqsweep.runs.files import write_bytes
from seqsweep.suggest import did_you_mean

if TYPE_CHECKING:
    from seqsweep.using.load import LoadedRun

_ENDING = ".onnx"


def export(run: "LoadedRun", path: Path) -> float:
    """Writes a run's network as an ONNX file.

    The content is compared with the network before the file appears, so an existing file is
    replaced only by a correct one.

    Args:
        path: ends with .onnx.

    Returns:
        The largest difference between the file's outputs and the network's; see `check`.

    Raises:
        ValueError: the path or the network is not suitable, or the difference is too large.
        OSError: the file could not be written.
        ImportError: onnx or onnxruntime is missing.
    """
    check_path(path)
    # Imported late, because they need torch and packages that are not always installed.
    try:
        from seqsweep.using.export import onnx_file
    except ImportError as error:
        needed = f"{path} needs the package {error.name}"
        raise ImportError(f"{needed}: pip install 'seqsweep[export]'") from error
    from seqsweep.using.export.check import checked

    content = onnx_file.write(run)
    difference = checked(run, onnx_file.read(content), str(path))
    write_bytes(path, content)
    return difference


def check_path(path: Path) -> None:
    """Refuses a path that `export` could not write. Needs no torch.

    Raises:
        ValueError: the ending is unknown, or the path is a folder.
        FileNotFoundError: the folder of the path does not exist.
    """
    if path.is_dir():
        raise ValueError(f"--to={path}: is a folder; expected a file such as {path / 'model.onnx'}")
    if path.suffix != _ENDING:
        hint = did_you_mean(path.suffix, [_ENDING])
        raise ValueError(f"--to={path}: must end with {_ENDING}{hint}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--to={path}: no folder {path.parent} (in {Path.cwd()})")

"""Writes a trained network as a file for other programs: ONNX, torch.export or safetensors."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from seqsweep.runs.files import write_bytes
from seqsweep.suggest import did_you_mean

if TYPE_CHECKING:
    from seqsweep.using.export.check import Answer
    from seqsweep.using.load import LoadedRun

ENDINGS = (".onnx", ".pt2", ".safetensors")


class Format(Protocol):
    """A module that writes a run in one format, and reads what it wrote."""

    def write(self, run: "LoadedRun") -> bytes:
        """Returns the content of the file.

        Raises:
            ValueError: the format cannot hold the run's network.
        """
        ...

    def read(self, content: bytes, run: "LoadedRun") -> "Answer":
        """Returns the function that the content computes, as another program would."""
        ...


def export(run: "LoadedRun", path: Path) -> float:
    """Writes a run's network as a file of the format that the path's ending names.

    The content is compared with the network before the file appears, so an existing file is
    replaced only by a correct one.

    Args:
        path: ends with .onnx, .pt2 or .safetensors.

    Returns:
        The largest difference between the file's outputs and the network's; see `check`.

    Raises:
        ValueError: the path or the network is not suitable, or the difference is too large.
        OSError: the file could not be written.
        ImportError: a package that the format needs is missing.
    """
    check_path(path)
    writer = _format(path)
    content = writer.write(run)
    # Imported late, because it needs torch.
    from seqsweep.using.export.check import checked

    difference = checked(run, writer.read(content, run), str(path))
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
    if path.suffix not in ENDINGS:
        hint = did_you_mean(path.suffix, ENDINGS)
        raise ValueError(f"--to={path}: must end with {', '.join(ENDINGS)}{hint}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--to={path}: no folder {path.parent} (in {Path.cwd()})")


def _format(path: Path) -> Format:
    """Returns the module for a path's ending. Only this one needs its packages."""
    try:
        if path.suffix == ".onnx":
            from seqsweep.using.export import onnx_file

            return onnx_file
        if path.suffix == ".pt2":
            from seqsweep.using.export import pt2_file

            return pt2_file
        from seqsweep.using.export import weights_file

        return weights_file
    except ImportError as error:
        needed = f"{path} needs the package {error.name}"
        raise ImportError(f"{needed}: pip install 'seqsweep[export]'") from error

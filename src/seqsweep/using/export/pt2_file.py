"""A trained network as a .pt2 file, which `torch.export.load` reads.

B sequences, T time steps.
"""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.export import Dim, ExportedProgram

from seqsweep.data.checks import Array
from seqsweep.using.export.check import Answer, Outputs
from seqsweep.using.export.contents import input_type, metadata, scaling_inside
from seqsweep.using.export.parts import recurrent_network
from seqsweep.using.export.scan import ScannedClassifier
from seqsweep.using.load import LoadedRun


def write(run: LoadedRun) -> bytes:
    """Returns the run's network as the content of a .pt2 file.

    Inputs and outputs are those of the ONNX file. The metadata are extra files of the archive.

    Raises:
        ValueError: the network has a part that the program cannot express, or this version of
            torch cannot export the loop over time.
    """
    program = _exported(run)
    # The example is all that the archive would hold as a pickle.
    program.example_inputs = None
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files=dict(metadata(run)))
    return buffer.getvalue()


def read(content: bytes, run: LoadedRun) -> Answer:
    """Returns what the program of a file's content computes."""
    program: Any = torch.export.load(io.BytesIO(content)).module()

    def answer(x: Array, lengths: npt.NDArray[np.int64]) -> Outputs:
        with torch.inference_mode():
            result = program(torch.from_numpy(x), torch.from_numpy(lengths))
        return Outputs(result["logits"].numpy(), result["probabilities"].numpy())

    return answer


def _exported(run: LoadedRun) -> ExportedProgram:
    module = ScannedClassifier(recurrent_network(run, ".pt2"), scaling_inside(run)).eval()
    x = torch.zeros(2, 100, len(run.source_channels), dtype=_torch_type(run))
    shapes = ({0: Dim.DYNAMIC, 1: Dim.DYNAMIC}, {0: Dim.DYNAMIC})
    try:
        return torch.export.export(module, (x, torch.tensor([100, 99])), dynamic_shapes=shapes)
    except Exception as error:
        # The loop is a prototype of torch, whose versions fail in different ways.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise ValueError(
            f"{run.checkpoint}: torch {torch.__version__} cannot export the loop over time"
            f" ({type(error).__name__}: {reason}); .onnx does not need its exporter"
        ) from error


def _torch_type(run: LoadedRun) -> torch.dtype:
    return torch.float64 if input_type(run) is np.float64 else torch.float32

"""The devices and threads of torch that train a run."""

import os
from collections.abc import Generator
from contextlib import contextmanager

import torch

from seqsweep.errors import integer
from seqsweep.native.library import describe
from seqsweep.runs.files import JsonObject
from seqsweep.seeding import restored_generators

_MOST_EPOCHS = 10_000_000


def takes_gpu(accelerator: str) -> bool:
    """Returns whether Lightning uses a GPU for an accelerator on this machine."""
    return _gpus() > 0 if accelerator == "auto" else accelerator == "gpu"


def _gpus() -> int:
    """Returns the number of GPUs that torch sees; a Mac has one."""
    if torch.cuda.is_available():
        return torch.cuda.device_count()
    return int(torch.backends.mps.is_available())


def check_trainer(max_epochs: int, accelerator: str, devices: int | str, every: int) -> None:
    """Refuses numbers that are out of range, and a GPU that is missing.

    Args:
        every: the number of epochs between two validations.
    """
    if not 1 <= max_epochs <= _MOST_EPOCHS:
        raise ValueError(f"trainer.max_epochs={max_epochs}: must be between 1 and {_MOST_EPOCHS:,}")
    integer("trainer.check_val_every_n_epoch", every, 1)
    gpus = _gpus()
    if accelerator == "gpu" and gpus == 0:
        raise ValueError(
            f"trainer.accelerator=gpu: no GPU is visible to torch {torch.__version__} (CUDA: "
            f"{torch.version.cuda}); use trainer=auto, which trains without one too"
        )
    most = gpus if accelerator == "gpu" else max(gpus, os.cpu_count() or 1)
    if isinstance(devices, int) and not 1 <= devices <= most:
        raise ValueError(f"trainer.devices={devices}: must be 1 to {most} here, or auto")


def numerics(kind: str, device: torch.device) -> JsonObject:
    """Returns what decides the last bits of the results of engine `kind` on a device."""
    # Only this text of torch names the BLAS library.
    blas = [line.strip(" -") for line in torch.__config__.show().splitlines() if "BLAS" in line]
    return {
        "engine": kind,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "blas": blas[0][:200] if blas else None,
        "mkl": torch.backends.mkl.is_available(),
        **(describe() if kind == "native" else {}),
    }


@contextmanager
def restored_torch_state(threads: int, draws: bool) -> Generator[None]:
    """Sets torch's threads in the block, then restores its global state.

    If the block draws from global generators, those of torch, numpy and random are restored too.
    Otherwise they are left alone, because the program's other threads may draw from them meanwhile.
    """
    deterministic = torch.are_deterministic_algorithms_enabled()
    onednn = torch.backends.mkldnn.enabled
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        # A script that calls `train` keeps its own sequence of random numbers.
        with torch.random.fork_rng(enabled=draws), restored_generators(enabled=draws):
            yield
    finally:
        # The call imports torch's compiler, which takes half a second.
        if torch.are_deterministic_algorithms_enabled() != deterministic:
            torch.use_deterministic_algorithms(deterministic)
        torch.backends.mkldnn.enabled = onednn
        torch.set_num_threads(before)

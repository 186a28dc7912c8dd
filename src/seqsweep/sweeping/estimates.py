"""Groups the runs of a sweep by engine, and estimates their time. Imports no torch."""

import math
from collections.abc import Sequence

from seqsweep.native.structs import flops
from seqsweep.sweeping.processes import cores, has_gpu_driver
from seqsweep.text import count
from seqsweep.training.engine import (
    ON_GPU,
    architecture_of,
    engine_of,
    missing_library,
    network_of,
    pool_key,
    why_not_native,
)
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.run_data import data_of


def pools_and_singles(
    runs: Sequence[PlannedRun],
) -> tuple[list[list[PlannedRun]], list[PlannedRun]]:
    """Returns one pool of native runs for each data set, and the runs of autograd.

    The native engine trains the runs of a pool side by side; the longest comes first.

    Raises:
        ValueError: a config asks for an engine that cannot train it.
    """
    pools: dict[str, list[PlannedRun]] = {}
    singles: list[PlannedRun] = []
    for run in runs:
        if engine_of(run.config) == "native":
            pools.setdefault(pool_key(run.config, run.data_fingerprint), []).append(run)
        else:
            singles.append(run)
    for pool in pools.values():
        # The run_id makes the order unique, whatever the order of the arguments.
        pool.sort(key=lambda run: (-seconds_of(run, "native"), run.run_id))
    return list(pools.values()), singles


def describe_pool(runs: Sequence[PlannedRun]) -> str:
    """Describes a pool, whose runs may differ in their networks, in one line."""
    networks = [network for run in runs if (network := network_of(run.config["model"]))]
    cells = ", ".join(sorted({network.cell for network in networks}))
    layers = sorted({network.num_layers for network in networks})
    depth = f"{', '.join(map(str, layers))} layer{'' if layers == [1] else 's'}"
    directions = {network.bidirectional for network in networks}
    both = ", one and both directions" if len(directions) > 1 else ", both directions"
    width = ", ".join(map(str, sorted({network.hidden_size for network in networks})))
    total = count(len(runs), "run")
    return f"{total}: {cells}, {depth}{both if True in directions else ''}, hidden {width}"


_RATES = {"native": 5e10, "autograd": 5e9}
"""The floating-point operations per second on one core, rounded from docs/benchmarks."""

_EPOCH_SECONDS = {"native": 2e-4, "autograd": 2e-2}
"""The seconds of an epoch that do not depend on its size: metrics, logs, Lightning."""

_STEP_SECONDS, _RUN_SECONDS = 2e-3, 0.5
"""The seconds of a step and of a run of autograd that do not depend on the network's size."""

START_SECONDS = {"native": 3.0, "autograd": 6.0}
"""The seconds that a command takes to import its packages and to write the report."""


def single_seconds(run: PlannedRun) -> float:
    """Returns the estimated seconds of a run of autograd; its operations count if known."""
    config, sizes = run.config, (run.splits or {}).get("train", {})
    batch = config["data"].get("batch_size")
    steps = math.ceil(sizes.get("sequences", 1) / batch) if isinstance(batch, int) else 1
    epoch = _EPOCH_SECONDS["autograd"] + steps * _STEP_SECONDS
    return _RUN_SECONDS + max(seconds_of(run, "autograd"), epoch * config["trainer"]["max_epochs"])


def beside_seconds(runs: Sequence[PlannedRun], processes: int) -> float:
    """Returns the estimated seconds of the runs of autograd in some processes."""
    seconds = [single_seconds(run) for run in runs]
    # A process needs a core, and no process ends before its longest run.
    longest = max(sum(seconds) / min(processes, cores()), max(seconds))
    return longest + (START_SECONDS["autograd"] if processes > 1 else 0)


def engine_notes(runs: Sequence[PlannedRun], processes: int = 0) -> list[str]:
    """Returns lines that say why autograd trains runs, and what a GPU here could train.

    Args:
        processes: how many runs of autograd train side by side; 0 if that cannot be chosen.
    """
    notes = _why_autograd(runs, processes)
    if not has_gpu_driver():
        return notes
    chosen = (run for run in runs if run.config["trainer"]["accelerator"] == "auto")
    natives = [run for run in chosen if engine_of(run.config) == "native"]
    if long := sum(seconds_of(run, "native") > _LONG_SECONDS for run in natives):
        which = f"{count(long, 'run')} of more than a CPU minute"
        seen = "a GPU seems to be here"
        notes.append(f"{seen}, and native trains {which}: trainer=gpu trains these on it")
    return notes


_LONG_SECONDS = 60.0
"""The seconds of a run on one core above which a GPU is mentioned."""


def _why_autograd(runs: Sequence[PlannedRun], processes: int) -> list[str]:
    """Returns lines that say why autograd trains runs, and at which cost."""
    by_reason: dict[str, list[PlannedRun]] = {}
    for run in runs:
        reason = why_not_native(run.config) if run.config["engine"] == "auto" else None
        if reason is not None:
            by_reason.setdefault(reason, []).append(run)
    lines = missing_library([run.config for run in runs])
    for reason, slow in by_reason.items():
        native, autograd = (sum(seconds_of(run, kind) for run in slow) for kind in _RATES)
        ratio = f"about {autograd / native:.0f}" if native else "many"
        cost = f", in {ratio} times the time that native takes for a network of this size"
        if reason == ON_GPU:
            cost = ", which is slower for small networks; trainer=auto trains them with native"
        if architecture_of(slow[0].config["model"]) is None:  # a network that native cannot train
            cost = ""
        pace = f"{processes if processes > 1 else 'one'} at a time"
        if processes == 1:
            pace += " (N with hydra.launcher.processes=N)"
        lines.append(f"{reason}: autograd trains {count(len(slow), 'run')}, {pace}{cost}")
    return lines


def seconds_of(run: PlannedRun, engine: str) -> float:
    """Returns the estimated seconds of a run on one core; 0 if unknown."""
    return epoch_seconds(run, engine) * run.config["trainer"]["max_epochs"]


def epoch_seconds(run: PlannedRun, engine: str) -> float:
    """Returns the estimated seconds of an epoch on one core; 0 if unknown."""
    model = run.config["model"]
    network = network_of(model) or architecture_of(model)
    if network is None or network.cell_program is None or run.splits is None:
        return 0.0
    splits = data_of(run.config["data"]).prepared
    features = model.get("embedding_dim") or splits.input_size
    shape = network._replace(input_size=features, num_classes=splits.num_classes)
    return flops(shape, splits.train.num_steps) / _RATES[engine] + _EPOCH_SECONDS[engine]

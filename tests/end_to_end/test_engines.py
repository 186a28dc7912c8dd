"""The engines are planned and trained, and the bits of native depend only on the config."""

import json
import shutil

import pytest
from equal_runs import count_equal_runs

from seqsweep.native.library import library

pytestmark = pytest.mark.slow

is_native = pytest.mark.skipif(library() is None, reason="no native library")


@pytest.mark.parametrize("engine", [pytest.param("native", marks=is_native), "autograd"])
def test_the_engine_that_is_planned_trains_beside_the_other(seqsweep, tmp_path, engine):
    """A machine without a compiler lacks the native library, so autograd trains."""
    variables = {} if engine == "native" else {"SEQSWEEP_NATIVE": "off"}
    sizes = ("model.hidden_size=4,8", "model.pooling=last,attention")
    grid = ("data=digits", "trainer.max_epochs=1", *sizes)
    planned = seqsweep("plan", *grid, **variables)
    assert (": 2 runs: rnn, 1 layer, hidden 4, 8" in planned.out) == (engine == "native")
    assert f"autograd: {2 if engine == 'native' else 4} runs, one by one" in planned.out
    assert f"autograd: {2 if engine == 'native' else 4} runs, in 2 processes" in (
        seqsweep("plan", *grid, "hydra.launcher.processes=2", **variables).out
    )
    assert not list(tmp_path.rglob("config.yaml"))
    result = seqsweep("train", "-m", *grid, **variables)
    assert result.code == 0, result.err
    paths = tmp_path.glob("outputs/sweeps/*/*/provenance.json")
    engines = sorted(json.loads(path.read_text())["engine"] for path in paths)
    assert engines == ["autograd", "autograd", engine, engine]


MIXED = (
    "train",
    "-m",
    "data=japanese_vowels",
    "model.dropout=0.2",
    "model.num_layers=2",
    "sweep.name=s",
)
AXES = {
    "model.cell": ("lru", "lstm"), "trainer.max_epochs": ("1", "2"), "seed": ("0", "1"),
}  # fmt: skip
WAYS: dict[str, tuple[str, list[dict[str, tuple[str, ...]]]]] = {
    "forwards": ("hydra.launcher.threads=2", [{}]),
    "backwards": ("hydra.launcher.threads=1", [{key: AXES[key][::-1] for key in AXES}]),
    "basic": ("hydra/launcher=basic", [{}]),
    "in parts": (
        "hydra.launcher.threads=2",
        [{"seed": ("1",), "model.cell": ("lstm",)}, {"seed": ("0",)}, {}],
    ),
}
"""Each way to train the grid: a launcher, and the values of each command."""


@is_native
# Takes some 10 s, for the only test of all ways to train the same runs.
def test_the_bits_of_a_run_depend_only_on_its_config(seqsweep, tmp_path):
    """Order, other members, parts, launcher and threads do not change the bits."""
    for way, (launcher, parts) in WAYS.items():
        for named in parts:
            values = AXES | named
            order = reversed(values) if way == "backwards" else values
            axes = [f"{name}={','.join(values[name])}" for name in order]
            done = seqsweep(*MIXED, f"output_dir={way}", launcher, *axes)
            assert done.code == 0, done.err
    for way in WAYS:
        assert count_equal_runs(tmp_path / way, tmp_path / "forwards") == 8
    run = next(tmp_path.glob("forwards/sweeps/s/*/record.json")).parent
    shutil.copytree(run, tmp_path / "elsewhere" / "copy")
    shutil.rmtree(tmp_path / "forwards")
    result = seqsweep("reproduce", "elsewhere/copy")
    assert (result.code, result.out) == (0, "identical\n"), result.err

"""A file of cells outside of the package goes through every command, beside our own cells."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import SLOWLY
from equal_runs import count_equal_runs
from waiting import wait_until

from seqsweep.native.library import runnable_variants
from seqsweep.results.run_names import readable_names
from seqsweep.runs.ledger import read_folder

pytestmark = pytest.mark.slow

CELLS = """\
from seqsweep import Cell


class Leaky(Cell):
    def __init__(self, weights, dt=0.5):
        super().__init__(weights)
        self.dt = dt

    def step(self, x, state):
        return (1 - self.dt) * state + self.dt * x.tanh()


class Mixed(Leaky):
    @staticmethod
    def shapes(inputs, hidden):
        return Cell.shapes(inputs, hidden) | {"mix": (hidden, hidden)}

    def step(self, x, state):
        return super().step(x + state @ self.mix.T, state)
"""
NETWORK = ("data=digits", "trainer.max_epochs=20", "model.hidden_size=5", "model.num_layers=2",
           "model.bidirectional=true", "model.dropout=0.2")  # fmt: skip
SWEEP = ("train", "-m", *NETWORK, "sweep.name=own")
OWN = ("model.cell=mine.Leaky,mine.Mixed", "model.cell_options.dt=0.5,0.25")
ALLOW = ("--allow", "mine.Leaky", "--allow", "mine.Mixed")


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(CELLS)
    return tmp_path / "outputs/sweeps/own"


def write_program(run: Path, digest: str) -> str:
    """Replaces the digest of the program in provenance.json; returns the old one."""
    path = run / "provenance.json"
    content = json.loads(path.read_text())
    before, content["program"] = content["program"], digest
    path.write_text(json.dumps(content))
    return before


def test_a_killed_sweep_of_own_cells_resumes_to_the_bits_of_every_variant(
    seqsweep, start_command, sweep, tmp_path
):
    process = start_command(*SWEEP, *OWN, before=SLOWLY)
    wait_until(lambda: list(tmp_path.rglob("last.ckpt")), process)
    process.kill()
    process.communicate()
    assert not list(tmp_path.rglob("record.json"))
    begun = next(tmp_path.rglob("last.ckpt")).parents[1]
    program = write_program(begun, "of another torch")
    refused = seqsweep(*SWEEP, *OWN)
    assert refused.code and "is now traced to another program than when the run began" in (
        refused.err + refused.out
    )
    write_program(begun, program)
    assert seqsweep(*SWEEP, *OWN).code == 0
    variants = runnable_variants()
    for variant in variants:
        done = seqsweep(*SWEEP, *OWN, f"output_dir={variant}", SEQSWEEP_NATIVE=variant)
        assert done.code == 0, done.err
        assert count_equal_runs(sweep, tmp_path / variant) == 4
    engines = [json.loads(p.read_text()) for p in tmp_path.rglob("provenance.json")]
    assert {content["engine"] for content in engines} == {"native"}
    assert {content["variant"] for content in engines} == set(variants)
    assert len({content["program"] for content in engines}) == 4


def test_own_cells_stand_beside_ours_in_every_command(seqsweep, sweep, tmp_path):
    short = ("trainer.max_epochs=1",)
    planned = seqsweep(*SWEEP, *short, "model.cell=gru,mine.Leaky", "--plan-only")
    assert planned.code == 0
    refused = seqsweep("work", str(sweep))
    assert refused.code == 2 and "give --allow mine.Leaky" in refused.err
    worked = seqsweep("work", str(sweep), *ALLOW)
    assert worked.code == 0 and "nothing of 2 runs is left" in worked.out
    again = seqsweep(*SWEEP, *short, *OWN)
    assert again.code == 0 and "1 done, 3 to train" in again.out  # dt is 0.5 by default
    names = readable_names({entry.folder.run_id: entry.config for entry in read_folder(sweep)})
    assert sorted(names.values()) == [
        "Leaky-dt=0.25", "Leaky-dt=0.50", "Mixed-dt=0.25", "Mixed-dt=0.50", "gru-dt=null",
    ]  # fmt: skip
    (run,) = (sweep / name for name, words in names.items() if words == "Mixed-dt=0.25")
    np.savez(tmp_path / "new.npz", X=np.random.default_rng(0).normal(size=(5, 8, 8)))
    bundle = ("bundle", "--out", "own.zip")
    for verb in (("reproduce",), ("evaluate",), ("predict", "new.npz"), bundle):
        command = (verb[0], str(run), *verb[1:])
        refused = seqsweep(*command)
        assert refused.code == 2 and "give --allow mine.Mixed" in refused.err
        allowed = seqsweep(*command, *ALLOW)
        assert allowed.code == 0, allowed.err
        assert verb != ("reproduce",) or allowed.out == "identical\n"
    from_bundle = seqsweep("predict", "own.zip", "new.npz", *ALLOW)
    assert from_bundle.code == 0
    assert from_bundle.out == seqsweep("predict", str(run), "new.npz", *ALLOW).out

    write_program(run, "of another torch")
    refused = seqsweep("reproduce", str(run), *ALLOW)
    assert refused.code == 2 and "is now traced to another program" in refused.err
    # One of the cells is edited; all of its file are trained anew, because they may share code.
    (tmp_path / "mine.py").write_text(CELLS.replace("x + state", "2 * x + state"))
    edited = seqsweep("reproduce", str(run), *ALLOW)
    assert edited.code == 2 and "the code has changed since the run was trained" in edited.err
    edited = seqsweep(*SWEEP, *short, *OWN)
    assert edited.code == 0 and "0 done, 4 to train" in edited.out
    assert " of this config: mine.py" in edited.err

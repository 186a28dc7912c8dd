"""A run that starts from another run's weights: what it takes, what identifies it, how it ends."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from run_files import SMALL

import seqsweep
from seqsweep.cli import main
from seqsweep.config.from_overrides import compose
from seqsweep.errors import ConfigError
from seqsweep.runs.documents import sealed
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train

pytestmark = pytest.mark.slow

STILL = ("optimizer=sgd", "optimizer.lr=1e-30", "trainer.max_epochs=1")
"""An optimizer that changes no weight: the run's last weights are its first."""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_sealed(folder / "checkpoints" / "last.ckpt")["state_dict"]


def run_of(root: Path, *overrides: str) -> Path:
    return train(plan(compose([*SMALL, *overrides])), root).folder.path


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("first")
    return run_of(root, "model.cell=gru", "trainer.max_epochs=3", "monitor=train/loss")


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_a_run_begins_with_the_best_weights_of_another(first, tmp_path, capsys, engine):
    own = ("model.cell=gru", f"engine={engine}", "seed=7", f"start_from={first}")
    begun = run_of(tmp_path, *own, *STILL)
    best = load_sealed(first / "checkpoints" / "best.ckpt")["state_dict"]
    assert all(torch.equal(weight, best[name]) for name, weight in weights(begun).items())
    taken = json.loads((begun / "provenance.json").read_text())["taken_weights"]
    assert taken == list(best)
    assert f"start_from={first}: 6 of 6 weights taken\n" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["native", "autograd"])
def test_other_classes_get_a_new_head(first, tmp_path, capsys, engine):
    own = ("model.cell=gru", f"engine={engine}", "data.source.num_classes=4", *STILL)
    begun = run_of(tmp_path, *own, f"start_from={first}")
    alone = run_of(tmp_path, *own)
    for name, weight in weights(begun).items():
        of = alone if name.startswith("network.fc.") else first
        same = load_sealed(of / "checkpoints" / "best.ckpt")["state_dict"][name]
        assert torch.equal(weight, same), name
    assert "4 of 6 weights taken; drawn anew: network.fc.weight" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("model.hidden_size=6",), r"network.rnn.weight_ih_l0 is (15, 3) there, but (18, 3) here"),
        (("start_from=no/such",), "start_from=no/such: must be the folder of a complete run"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(first, tmp_path, changed, message):
    for engine in ("native", "autograd"):
        own = ("model.cell=gru", f"start_from={first}", f"engine={engine}")
        with pytest.raises(ConfigError) as error:
            seqsweep.train([*SMALL, *own, *changed, f"output_dir={tmp_path}"])
        assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_the_weights_and_not_the_path_identify_a_run(first, tmp_path):
    def run_id(*words: str) -> str:
        return plan(compose([*SMALL, "model.cell=gru", *words])).run_id

    copy, older = tmp_path / "copy", tmp_path / "older"
    for folder in (copy, older):
        shutil.copytree(first, folder)
    other = run_of(tmp_path, "model.cell=gru", "seed=4", "trainer.max_epochs=1")
    content: dict[str, Any] = json.loads((older / "record.json").read_text())
    del content["weights"]  # as an earlier version wrote it
    (older / "record.json").write_text(json.dumps(sealed(content)))
    ids = [run_id(f"start_from={folder}") for folder in (first, copy, older, other)]
    assert len(set(ids[:3])) == 1 and len({ids[0], ids[3], run_id()}) == 3
    assert run_id("start_from=null") == run_id()
    assert "start_from" not in compose([*SMALL, "start_from=null"])


@pytest.mark.parametrize("engine", ["native", "module"])
def test_a_started_run_that_is_killed_and_resumed_is_the_same(column, at, engine):
    """A module is a LightningModule of the user."""
    own = () if engine == "module" else ("model.num_layers=1", "model.dropout=0.0")
    runs = column(engine, *own)
    runs.resume()
    runs = column(engine, *own, f"start_from={runs.folder}")
    for _ in range(2):
        runs.kill(at("on_epochs", 2) if engine == "native" else at("on_train_batch_end", 8))
    runs.resume(repeated=None)
    assert json.loads((runs.folder / "provenance.json").read_text())["taken_weights"]


def test_reproduce_asks_for_a_run_with_these_weights(first, tmp_path, capsys):
    start = shutil.copytree(first, tmp_path / "start")
    begun = run_of(tmp_path, "model.cell=gru", f"start_from={start}", "trainer.max_epochs=2")

    def reproduce(*words: str) -> tuple[Any, str]:
        with pytest.raises(SystemExit) as end:
            main(["reproduce", str(begun), *words])
        said = capsys.readouterr()
        return end.value.code, said.out + said.err

    code, told = reproduce()
    assert code == 0 and told.startswith("identical\n")
    shutil.rmtree(start)
    digest = (RunFolder(first).record() or pytest.fail("no record")).content["weights"]
    code, told = reproduce()
    assert code == 2 and told.count("\n") == 1
    assert f"is not a run whose best weights have the digest {digest}; give one" in told
    code, told = reproduce("--start-from", str(first))
    assert code == 0 and told.startswith("identical\n")
    assert seqsweep.load_run(begun).config["start_from"] == str(start)

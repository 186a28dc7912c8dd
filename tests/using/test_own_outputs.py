"""A LightningModule of a user predicts, is evaluated and bundled by its own steps."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import seqsweep

pytestmark = pytest.mark.slow

CONF = Path(__file__).parents[2] / "scripts/bench/own_conf"


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Trains a module of small_modules or their_modules; returns its folder and `--allow` words."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf/model").mkdir(parents=True)

    def train(model, *words):
        (tmp_path / "conf/model/own.yaml").write_text(yaml.safe_dump(model))
        paths = f"hydra.searchpath=[{tmp_path}/conf,{CONF}]"
        common = [paths, "model=own", "trainer.max_epochs=2", "trainer.accelerator=cpu"]
        record = seqsweep.train(seqsweep.compose([*common, "logger=csv", *words]))
        named = {str(v) for key, v in record["config"].items() if key.endswith("_target_")}
        allow = [x for n in sorted(named) if "seqsweep" not in n for x in ("--allow", n)]
        return Path(record["folder"]), allow, record

    return train


def module_of(folder, allow):
    return seqsweep.load_run(folder, allow=allow[1::2]).module


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_file_is_predicted_where_the_data_are_ours(command, trained, tmp_path):
    target = {"_target_": "small_modules.Probabilities"}
    folder, allow, record = trained(target, "data=japanese_vowels")
    x = np.random.default_rng(0).normal(size=(5, 9, 12)).astype(np.float32)
    np.savez(tmp_path / "new.npz", x=x)
    done = command("predict", str(folder), "new.npz", *allow)
    run = seqsweep.load_run(folder, allow=allow[1::2])
    with torch.no_grad():
        expected = run.module(*run.prepare(x)).softmax(1).numpy()
    found = rows_of(done.out)
    assert [row["id"] for row in found] == list("01234")
    p = np.array([[float(row[f"p_{k}"]) for k in range(9)] for row in found])
    np.testing.assert_allclose(p, expected, rtol=1e-6)
    assert [int(row["best"]) for row in found] == expected.argmax(1).tolist()
    content = json.loads(command("predict", str(folder), "new.npz", *allow, "--json").out)
    assert [row["best"] for row in content["predictions"]] == expected.argmax(1).tolist()
    assert not any(isinstance(row["best"], float) for row in content["predictions"])
    content = json.loads(command("evaluate", str(folder), *allow, "--json").out)
    assert content["metrics"]["test_acc"]["mean"] == record["metrics"]["test_acc"]
    with pytest.raises(ValueError, match="is known to its own code alone; in Python"):
        run.predict_proba(x)
    done = command("bundle", str(folder), "--out", "b.zip", *allow)
    assert done.code == 0 and "without model.onnx" in done.err
    again = command("predict", "b.zip", "new.npz", *allow)
    assert again.out == command("predict", str(folder), "new.npz", *allow).out
    assert command("predict", "b.zip", "new.npz").code == 2  # its code is not allowed
    # Without a `predict_step`, `forward` gets what its batches of training have.
    folder, allow, _ = trained({"_target_": "small_modules.Lengths"}, "data=japanese_vowels")
    found = rows_of(command("predict", str(folder), "new.npz", *allow).out)
    with torch.no_grad():
        expected = module_of(folder, allow)(*run.prepare(x))
    assert [float(row["output_8"]) for row in found] == pytest.approx(expected[:, 8].tolist())


@pytest.mark.parametrize("name", ["classify", "binary"])
def test_a_split_of_its_own_data_is_predicted_and_tested(command, trained, name):
    model = yaml.safe_load((CONF / f"model/{name}.yaml").read_text())
    folder, allow, record = trained(model, f"data={name}")
    done = command("predict", str(folder), "--split", "val", *allow, "--out", "p.jsonl")
    assert done.err.endswith("(val): 16 sequences in p.jsonl\n")
    found = [json.loads(line) for line in Path("p.jsonl").read_text().splitlines()]
    module = module_of(folder, allow)
    data = module_data(record)
    with torch.no_grad():
        expected = torch.cat([module(batch[0]) for batch in data.val_dataloader()])
    outputs = torch.tensor([[value for key, value in row.items() if key != "id"] for row in found])
    torch.testing.assert_close(outputs, expected)
    split = "test" if name == "classify" else "val"  # a `test_step` is not asked for
    done = command("evaluate", str(folder), "--split", split, *allow)
    logged = {key: value for key, value in record["metrics"].items() if split in key}
    assert logged
    for key, value in logged.items():
        assert f"{key}  {value:.4f}" in done.out


def module_data(record):
    import their_modules

    data = getattr(their_modules, record["config"]["data._target_"].rpartition(".")[2])()
    data.setup("fit")
    return data


def test_what_cannot_be_used_is_refused_in_one_line(command, trained):
    folder, allow, _ = trained({"_target_": "small_modules.ReturnsText"}, "data=classify")
    for (verb, *words), message in (
        (("predict", "x.csv"), "x.csv: the run has its own data module; give --split NAME"),
        (("predict", "--split", "vall"), "--split=vall: the run's data have only train, val, test"),
        (("predict",), "ReturnsText: TypeError: predict_step must return a tensor (N, K) or (N,),"),
        (("evaluate", "--resamples", "5"), "resamples=5: is for networks; a LightningModule runs"),
        (("evaluate", "--split", "train"), "ReturnsText: ValueError: --split=train: must be test"),
        (("export", "--out", "m.onnx"), "cannot write the network small_modules.ReturnsText"),
    ):
        done = command(verb, str(folder), *words, *allow)
        assert done.code == 2 and message in done.err and len(done.err.splitlines()) == 1


def test_a_sweep_is_evaluated_by_the_first_config(command, trained, tmp_path):
    target = {"_target_": "small_modules.Probabilities"}
    runs = [trained(target, "data=japanese_vowels", f"seed={seed}") for seed in (0, 1, 2)]
    folder, allow, _ = runs[0]
    done = command("evaluate", str(folder.parent), *allow)
    values = [record["metrics"]["test_acc"] for *_, record in runs]
    assert "mean of 3 runs, ± standard deviation" in done.out
    assert f"test_acc  {np.mean(values):.4f} ±{np.std(values, ddof=1):.4f}" in done.out


def test_layers_that_setup_makes_have_the_trained_weights(command, trained):
    target = {"_target_": "small_modules.Late", "how": "setup"}
    folder, allow, record = trained(target, "data=digits", "trainer.max_epochs=4")
    metrics = json.loads(command("evaluate", str(folder), *allow, "--json").out)["metrics"]
    assert metrics["quality"]["mean"] == record["metrics"]["test/quality"] > 0.12
    words = ("--split", "val", *allow, "--json")
    metrics = json.loads(command("evaluate", str(folder), *words).out)["metrics"]
    assert metrics["quality"]["mean"] == record["metrics"]["quality"]

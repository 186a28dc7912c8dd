"""Modules in the styles of public ones are trained as they are, and what is promised holds."""

import csv
import math

import lightning as L
import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from run_files import plain
from their_modules import STYLES

import seqsweep
from seqsweep.config.instantiate import build
from seqsweep.seeding import global_stream, seed_globals
from seqsweep.training.build_run import build_run
from seqsweep.training.run_data import DATA_STREAM

EPOCHS = 3
pytestmark = [pytest.mark.sampled(2, 6), pytest.mark.parametrize("name", STYLES)]


@pytest.fixture
def run(name, plan_style):
    return plan_style(name)


@pytest.fixture
def whole(run, undisturbed):
    content = undisturbed(run)
    return content | {"rows": list(csv.DictReader(content["csv"].decode().splitlines()))}


def test_the_run_keeps_what_its_style_is_promised(name, run, whole):
    record, monitor, (_, mode) = whole["record"], run.config["monitor"], STYLES[name]
    scores = [float(row.get(monitor) or "nan") for row in whole["rows"]]
    known = [epoch for epoch in range(EPOCHS) if not math.isnan(scores[epoch])]
    best = (max if mode == "max" else min)(known, key=scores.__getitem__, default=EPOCHS - 1)
    assert (record["status"], len(scores)) == ("complete", EPOCHS)
    assert (run.config["monitor_mode"], record["best_epoch"]) == (mode, best)
    assert record["metrics"].get("test/mean") == pytest.approx(whole["best"].get("mean"))
    assert ("own/note.txt" in whole["files"]) == name.startswith("Pictured")
    assert ("by hand" in whole["curves"]) == (name == "Pictured")


def test_the_run_is_that_of_a_plain_trainer(name, run, whole, tmp_path):
    """The weights and all that is logged are those of Lightning with the same seeds."""
    module = build_run(run.config, tmp_path).module
    with global_stream(*DATA_STREAM):
        data = build(run.config["data"], "data") if "data=" in STYLES[name][0] else None
    resume = seqsweep.ExactResume(run.config["seed"])
    resume.seeds_loaders = False
    seed_globals(*DATA_STREAM)
    trainer = L.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", logger=TensorBoardLogger(tmp_path),
        default_root_dir=tmp_path, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[resume], num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(module, datamodule=data)
    saved = whole["last"]["state_dict"]
    assert saved and saved.items() <= plain(module.state_dict()).items()
    trained = [weight.numel() for weight in module.parameters() if weight.requires_grad]
    assert whole["record"]["params"] == sum(trained)
    logged = {key: value.item() for key, value in trainer.callback_metrics.items()}
    row = {key: float(value) for key, value in whole["rows"][-1].items()}
    # The mean of an epoch is logged under two names.
    assert logged == {key: row[key if key in row else key.removesuffix("_epoch")] for key in logged}
    assert not logged.keys() & {f"{key}_epoch" for key in row} & row.keys()

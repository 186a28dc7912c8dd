"""`seqsweep export` writes a file from a run's folder or from a checkpoint alone."""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import seqsweep


def trained(path):
    """The folder of a run that was trained for an epoch, on data with missing values."""
    rng = np.random.default_rng(0)
    x = 50 + rng.normal(size=(30, 7, 2)) + np.arange(30).reshape(-1, 1, 1) % 3
    x[rng.random(x.shape) < 0.1] = np.nan
    np.savez(path / "mine.npz", X=x, y=np.arange(30) % 3, lengths=rng.integers(2, 8, 30))
    arguments = [
        "data=npz", f"data.source.path={path}/mine.npz", "data.missing=forward",
        "data.batch_size=8", "model=bidirectional", "model.hidden_size=4", "trainer.max_epochs=1",
        "logger=csv", "diagnostics=false", f"output_dir={path}/outputs",
    ]  # fmt: skip
    return Path(seqsweep.train(seqsweep.compose(arguments))["folder"])


@pytest.mark.slow
def test_a_file_computes_the_logits_of_the_loaded_run(command, tmp_path):
    folder = trained(tmp_path)
    code, out, err = command("export", folder, "--out", "mine.onnx", "--checkpoint", "last")
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert out.startswith("mine.onnx: BiDirectionalRNN, 2 channels, 3 classes, ")
    # The digits of the difference depend on the processor, so only its order is printed.
    assert out.endswith("; differs from the network by at most 1e-06\n")
    run = seqsweep.load_run(folder, "last")
    x = 50 + np.random.default_rng(1).normal(size=(4, 9, 2)).astype(np.float32)
    x[0, 3, 1] = np.nan
    lengths = np.array([9, 4, 1, 8])
    with torch.inference_mode():
        expected = run.network(*run.prepare(x, lengths)).numpy()
    session = onnxruntime.InferenceSession(tmp_path / "mine.onnx")
    logits = session.run(["logits"], {"x": x, "lengths": lengths})[0]
    assert np.abs(logits - expected).max() < 1e-6
    assert session.get_modelmeta().custom_metadata_map["run_id"] == folder.name
    # A copied checkpoint can be written without its run.
    shutil.copy(folder / "checkpoints" / "best.ckpt", tmp_path / "mine.ckpt")
    assert command("export", "mine.ckpt", "--out", "mine.onnx").code == 0
    session = onnxruntime.InferenceSession(tmp_path / "mine.onnx")
    assert "run_id" not in session.get_modelmeta().custom_metadata_map

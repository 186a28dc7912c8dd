"""A run whose files are deleted while it trains has failed, and does not count as complete."""

import shutil
import threading
from pathlib import Path

import pytest
from waiting import wait_until

import seqsweep
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.planned_run import RunFailed

pytestmark = pytest.mark.slow

EPOCHS = {"native": 1500, "autograd": 15}


def train_and_delete(tmp_path: Path, engine: str, name: str) -> RunFolder:
    """Trains a run, and deletes a file or folder of it after its first checkpoint."""
    config = seqsweep.compose(
        # With a rate that changes no weight, the first epoch stays the best one.
        ["data=digits", "model.hidden_size=2", "optimizer.lr=1e-30", "diagnostics=false",
         "trainer.accelerator=cpu", f"output_dir={tmp_path}", f"engine={engine}",
         f"trainer.max_epochs={EPOCHS[engine]}"]
    )  # fmt: skip

    def delete() -> None:
        wait_until(lambda: list(tmp_path.rglob("last.ckpt")))
        (path,) = tmp_path.rglob(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    thread = threading.Thread(target=delete)
    thread.start()
    with pytest.raises(RunFailed, match=name):
        seqsweep.train(config)
    thread.join()
    (folder,) = (tmp_path / "runs/default").iterdir()
    return RunFolder(folder)


@pytest.mark.parametrize("name", ["metrics.csv", "best.ckpt", "checkpoints"])
@pytest.mark.parametrize("engine", EPOCHS)
def test_a_run_that_has_lost_a_file_fails_and_the_same_config_trains_it_anew(
    tmp_path: Path, engine: str, name: str
) -> None:
    run = train_and_delete(tmp_path, engine, name)
    assert run.state() == "failed"
    config = run.config()
    assert config is not None
    assert Path(seqsweep.train(config)["folder"]) == run.path
    rows = (run.path / "metrics.csv").read_text().splitlines()
    assert [int(row.partition(",")[0]) for row in rows[1:]] == list(range(EPOCHS[engine]))
    assert (run.path / "checkpoints/best.ckpt").is_file()

"""A run that diverges has a record, whether it was interrupted or not."""

import pytest
from run_files import epochs_in_log

from seqsweep.training.train import train


def test_a_run_whose_loss_is_nan_has_diverged_even_after_an_interruption(
    planned, tmp_path, at, interrupt, diverging
):
    member = planned(*diverging)
    first = train(member, tmp_path / "undisturbed")
    assert first.trained
    assert first.folder.state() == "diverged"
    epoch = first.record["epoch"]
    assert epoch > 0
    assert first.record["status"] == "diverged"
    assert f"in epoch {epoch}" in first.record["error"]
    assert epochs_in_log(first.folder.path) == list(range(epoch))
    names = {path.name for path in first.folder.path.iterdir()}
    assert names >= {"record.json", "config.yaml", "provenance.json"}
    assert "failure.json" not in names
    interrupt(member, at("on_train_batch_end", epoch))
    interrupt(member, at("on_train_epoch_end", epoch))
    assert train(member, tmp_path).record == first.record


@pytest.mark.parametrize(
    "options",
    [
        ("model.num_layers=3",),  # NaN in test only
        ("model.num_layers=3", "data.val_fraction=0.2", "data.test_fraction=0"),
        # The loss is 4.7e22 and its gradient's norm too large for float32.
        ("model.num_layers=3", "data.test_fraction=0", "data.batch_size=20",
         "data.source.length=12"),
    ],
    ids=["test", "val", "gradient"],
)  # fmt: skip
def test_a_run_that_breaks_in_its_last_step_has_a_record(planned, tmp_path, options, diverging):
    """Whichever value is not finite, the same command must not train the run again."""
    member = planned(*diverging, *options, "trainer.max_epochs=1")
    outcome = train(member, tmp_path)
    assert outcome.trained
    again = train(member, tmp_path)
    assert (again.trained, again.record) == (False, again.record | outcome.record)

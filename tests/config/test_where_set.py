"""An error ends with the file and line that set its key, unless the command line set it."""

import pytest

from seqsweep.config import CONF_DIR
from seqsweep.config.where_set import with_place


@pytest.mark.parametrize(
    ("overrides", "message", "place"),
    [
        ([], "seed=-1: must be", "train.yaml:22"),
        (["model=simple"], "model.hidden_size=0: must be", "model/simple.yaml:3"),
        (["data=npz"], "data.batch_size=0: must be", "data/_loading.yaml:3"),
        (["data=npz"], "data.source: no file x.npz", "data/npz.yaml:3"),
        (["data=npz", "data.source.path=x.npz"], "data.source: no file x.npz", None),
        ([], "something else", None),
    ],
)
def test_a_message_ends_with_the_place_that_set_its_key(overrides, message, place, composed):
    config = composed(*overrides, return_hydra_config=True)
    explained = with_place(ValueError(message), config.hydra)
    suffix = "" if place is None else f" (in {CONF_DIR / place})"
    assert str(explained) == f"{message}{suffix}"

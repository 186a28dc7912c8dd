"""The options of a cell come from its class; `scripts/example_cells.py` has some cells."""

import re

import pytest

from seqsweep.config.from_overrides import compose, shared_composer
from seqsweep.config.own_cell import our_cells
from seqsweep.models.cells import CELLS

CORNN = "model.cell=example_cells.CoRNN"


def test_the_names_in_configs_are_those_of_our_classes():
    assert list(our_cells()) == list(CELLS)


def test_options_have_the_defaults_and_types_of_the_constructor_and_ours_have_none(checked):
    assert "cell_options" not in checked("model.cell=gru")["model"]
    assert "cell_options" not in checked("model.cell=example_cells.MGU")["model"]
    options = checked(CORNN)["model"]["cell_options"]
    assert options == {"dt": 0.05, "gamma": 2.7, "epsilon": 4.7}
    given = checked(CORNN, "++model.cell_options.dt=1")["model"]["cell_options"]
    assert given == {**options, "dt": 1.0} and type(given["dt"]) is float


def test_an_option_needs_no_plus_and_a_sweep_composes_it_too():
    words = ["data=digits", CORNN, "model.cell_options.dt=0.3"]
    assert compose(words)["model"]["cell_options"]["dt"] == 0.3
    composed = [shared_composer().checked([*words[:2], f"{words[2]}{n}"]) for n in range(3)]
    assert [one["model"]["cell_options"]["dt"] for one in composed] == [0.3, 0.31, 0.32]
    group = compose("data=digits", CORNN, "model.cell_options={gamma:1}")["model"]["cell_options"]
    assert group == {"dt": 0.05, "gamma": 1.0, "epsilon": 4.7}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.cell=grru"], "or the path of a class of your own, such as mine.Leaky; did you"),
        (["model.cell=seqsweep.models.cells.GRU"], "model.cell='seqsweep.models.cells.GRU': must"),
        (["model.cell=example_cells.SRUU"], "model.cell=example_cells.SRUU: no 'SRUU' in ex"),
        (["model.cell=nowhere.SRU"], "model.cell=nowhere.SRU: importing 'nowhere' fails: Module"),
        ([CORNN, "model.cell_options.dtt=1"], "cell_options.dtt: no such option of the cell exam"),
        (["model.cell_options.dt=1"], "model.cell_options.dt: no such option of the cell rnn"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_refused_by_its_key(overrides: list[str], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        compose("data=digits", *overrides)

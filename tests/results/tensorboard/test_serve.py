"""The `tensorboard` command: its first lines, and what it refuses before TensorBoard starts."""

import base64
import dataclasses
import json
import re
import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from seqsweep.results.tensorboard.serve import HOST, greeting, pages, serve
from seqsweep.results.tensorboard.view import View


def test_an_address_pins_the_ranking_metric_and_colours_runs_by_config():
    """The runs of a config over folds and seeds share a colour."""
    names = {f"h{h:02}-f{f}-s{s:02}": f"h{h:02}" for h in (8, 16) for f in (0, 1) for s in (9, 10)}
    found = pages(View("val/f1", names))
    fragments = {path: urlsplit(link).fragment for path, link in found.items()}
    assert fragments == {"/": "timeseries", "/hparams": "hparams", "/images": "images"}
    query = parse_qs(urlsplit(found["/"]).query)
    (group,) = query.pop("runColorGroup")
    assert query == {"pinnedCards": ['[{"plugin":"scalars","tag":"val/f1"}]'], "smoothing": ["0"]}
    for name, config in names.items():
        match = re.fullmatch(group.removeprefix("regex:"), name)
        assert match is not None and match[1] == config
    for configs in ({"gru": "gru", "rnn": "rnn"}, {"gru-s0": "gru", "rnn-seed=null": "rnn"}):
        assert "runColorGroup" not in pages(View("val/f1", configs))["/"]


def test_the_addresses_of_many_runs_select_the_best_on_the_pages_that_would_select_none():
    found = pages(View("val/acc", {"h1": "h1", "h2": "h2", "h3": "h3"}, best=["h3", "h1"]))
    for link in found.values():
        (state,) = parse_qs(urlsplit(link).fragment)["runSelectionState"]
        assert json.loads(base64.b64decode(state)) == {"h3": True, "h1": True}


def test_the_greeting_says_what_is_not_as_expected():
    shown = View("val/acc", {"h8-s0": "h8", "h8-s1": "h8"})
    first, *others = greeting(Path("x"), shown, "http://127.0.0.1:6006")
    assert first == "2 runs in x"
    words = [line.split()[0] for line in others]
    assert words == ["curves", "hyperparameters", "pictures", "press"]
    assert max(map(len, others)) < 60
    shown = dataclasses.replace(shown, left_out=98, unfinished=1, has_curves=False)
    first, *others = greeting(Path("x"), shown, "http://x")
    assert first == "100 runs in x: the 2 of the best configs are shown; --runs N shows more"
    again = "start this command again for new runs, HParams and pictures"
    assert f"1 run has not ended: {again}" in others
    assert any(line.startswith("no curves: ") for line in others)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"port": -1}, "port=-1: must be from 0"),
        ({}, "no runs in it"),
        ({"images": -1}, "images=-1: must be at least 0"),
    ],
)
def test_what_cannot_be_served_is_refused(where, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        serve(tmp_path, **{"port": 0} | where)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        serve(tmp_path / "none", 0)


def test_a_port_that_is_used_is_named(tmp_path):
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ValueError, match=f"port={port}: Address already in use; port=0 "):
            serve(tmp_path, port)

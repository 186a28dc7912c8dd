"""The `tensorboard` command: its first lines, and what it refuses before TensorBoard starts."""

import dataclasses
import errno
import re
import shutil
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import tensorboard

from seqsweep.results.tensorboard.serve import HOST, greeting, is_stale, links, main, serve
from seqsweep.results.tensorboard.view import View
from seqsweep.runs.events import EventFile


def view(*names: str) -> View:
    configs = {name: name.partition("-s")[0] for name in names}
    shown = dict.fromkeys(names, ("digest", "success"))
    return View(Path("x"), "val/f1", configs, shown, {})


def test_the_link_pins_the_ranking_metric_and_colours_runs_by_config():
    """The runs of a config over folds and seeds share a colour."""
    names = {f"h{h:02}-f{f}-s{s:02}": f"h{h:02}" for h in (8, 16) for f in (0, 1) for s in (9, 10)}
    shown = dict.fromkeys(names, ("digest", "success"))
    found = links(View(Path("x"), "val/f1", names, shown, {}), "http://127.0.0.1:6006")
    assert found["hyperparameters"] == "http://127.0.0.1:6006/#hparams"
    link = urlsplit(found["curves"])
    assert (link.netloc, link.path, link.fragment) == ("127.0.0.1:6006", "/", "timeseries")
    query = parse_qs(link.query)
    (group,) = query.pop("runColorGroup")
    assert query == {"pinnedCards": ['[{"plugin":"scalars","tag":"val/f1"}]'], "smoothing": ["0"]}
    for name, config in names.items():
        match = re.fullmatch(group.removeprefix("regex:"), name)
        assert match is not None and match[1] == config


def test_the_greeting_says_what_is_not_as_expected(tmp_path):
    shown = dataclasses.replace(view("h08-s0", "h08-s1"), left_out=98, is_writable=False)
    first, *others = greeting(shown, "http://x")
    assert first == "100 runs in x: the 2 of the best configs are shown; --runs N shows more"
    refused = "the folder cannot be written: HParams, pictures and texts are "
    assert f"{refused}missing" in others
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "events.out.tfevents.1.seqsweep.a.images").touch()
    shown = dataclasses.replace(view("h08"), folders={"h08": tmp_path / "0"}, is_writable=False)
    assert f"{refused}as they were last written there" in greeting(shown, "http://x")
    shutil.rmtree(tmp_path / "0")
    (tmp_path / "0").mkdir()
    shown = dataclasses.replace(view("h08"), folders={"h08": tmp_path / "0"})
    assert any(line.startswith("no curves: ") for line in greeting(shown, "http://x"))
    EventFile(tmp_path / "0").write([(6, 1.7e9, {"val/acc": 0.5})])
    shown = dataclasses.replace(view("h08"), folders={"h08": tmp_path / "0"})
    assert not any("no curves" in line for line in greeting(shown, "http://x"))


@pytest.mark.parametrize(
    ("before", "after", "stale"),
    [
        (("a", "unknown"), ("a", "success"), False),  # TensorBoard sees a new end.
        (("a", "success"), ("a", "success"), False),
        (("a", "failure"), ("a", "success"), True),
        (("a", "success"), ("b", "success"), True),
    ],
)
def test_a_server_is_stale_if_it_would_keep_showing_old_metadata(before, after, stale):
    assert is_stale({"run": before}, {"run": after}) is stale
    assert not is_stale({"run": before}, {"another": after})


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"port": -1}, "port=-1: must be from 0"),
        ({"host": "192.0.2.1"}, "host=192.0.2.1: must be an address of this machine"),
        ({}, "no runs in it"),
        ({"images": -1}, "images=-1: must be at least 0"),
    ],
)
def test_what_cannot_be_served_is_refused(where, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        serve(tmp_path, **{"port": 0} | where)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        serve(tmp_path / "none", 0)


def test_a_port_that_is_used_or_reserved_is_named(tmp_path, monkeypatch):
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ValueError, match=f"^port={port}: is already in use; choose another"):
            serve(tmp_path, port)

    # Root may listen on every port, and so may every user of some systems.
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(ValueError, match=r"^port=1: needs root; must be from 1024 to"):
        serve(tmp_path, 1)


def test_a_tensorboard_that_cannot_be_imported_is_named_with_its_cure(
    tmp_path, monkeypatch, capsys
):
    """As older ones cannot beside a setuptools without pkg_resources."""
    monkeypatch.setitem(sys.modules, "tensorboard.default", None)
    monkeypatch.delattr(tensorboard, "default", raising=False)
    main(str(tmp_path), HOST, "0")
    out = capsys.readouterr().out
    assert "tensorboard.default" in out or "'default'" in out
    assert out.endswith(": pip install --upgrade tensorboard\n")


def test_the_links_of_many_runs_filter_the_best_on_the_pages_that_would_select_none():
    shown = dataclasses.replace(view("h08", "h16", "h32"), best=["h16", "h08"])
    found = links(shown, "http://x")
    assert next(iter(found)) == "pictures"
    for name, page in (("pictures", "images"), ("curves", "timeseries")):
        fragment = urlsplit(found[name]).fragment
        assert unquote(fragment) == f"{page}&regexInput=^(h16|h08)$"
    assert any("press TOGGLE ALL RUNS" in line for line in greeting(shown, "http://x"))

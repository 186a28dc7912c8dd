"""The `tensorboard` command: its first lines, and what it refuses before TensorBoard starts."""

import dataclasses
import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from seqsweep.results.tensorboard.serve import greeting, is_stale, links, serve
from seqsweep.results.tensorboard.view import View
from seqsweep.runs.events import EventFile


def view(*names: str) -> View:
    configs = {name: name.partition("-s")[0] for name in names}
    shown = dict.fromkeys(names, ("digest", "success"))
    return View(Path("x"), "val/f1", configs, shown, {})


def test_the_link_pins_the_ranking_metric_and_colours_runs_by_config():
    found = links(view("h08-s0", "h08-s1", "h16-s0"), "http://127.0.0.1:6006")
    link = urlsplit(found["curves"])
    assert (link.netloc, link.path, link.fragment) == ("127.0.0.1:6006", "/", "timeseries")
    assert parse_qs(link.query) == {
        "pinnedCards": ['[{"plugin":"scalars","tag":"val/f1"}]'],
        "smoothing": ["0"],
        "runColorGroup": [r"regex:(.*)-s\d+"],
    }
    assert found["hyperparameters"] == "http://127.0.0.1:6006/#hparams"


def test_the_runs_of_a_config_over_folds_and_seeds_share_a_colour():
    names = {f"h{h:02}-f{f}-s{s:02}": f"h{h:02}" for h in (8, 16) for f in (0, 1) for s in (9, 10)}
    shown = dict.fromkeys(names, ("digest", "success"))
    link = links(View(Path("x"), "val/f1", names, shown, {}), "http://x")["curves"]
    (group,) = parse_qs(urlsplit(link).query)["runColorGroup"]
    pattern = group.removeprefix("regex:")
    for name, config in names.items():
        match = re.fullmatch(pattern, name)
        assert match is not None and match[1] == config


def test_the_greeting_says_if_no_run_has_curves(tmp_path):
    (tmp_path / "0").mkdir()
    shown = dataclasses.replace(view("h08"), folders={"h08": tmp_path / "0"})
    assert any(line.startswith("no curves: ") for line in greeting(shown, "http://x"))
    EventFile(tmp_path / "0").write([(6, 1.7e9, {"val/acc": 0.5})])
    shown = dataclasses.replace(view("h08"), folders={"h08": tmp_path / "0"})
    assert not any("no curves" in line for line in greeting(shown, "http://x"))


def test_the_greeting_says_if_the_folder_cannot_be_written():
    shown = dataclasses.replace(view("h08"), is_writable=False)
    assert any("the folder cannot be written" in line for line in greeting(shown, "http://x"))


def test_the_greeting_says_how_many_runs_are_left_out():
    shown = dataclasses.replace(view("h08-s0", "h08-s1"), left_out=98)
    line = "100 runs in x: the 2 of the best configs are shown; --runs N shows more"
    assert greeting(shown, "http://x")[0] == line


@pytest.mark.parametrize(
    ("before", "after", "stale"),
    [
        (("a", "unknown"), ("a", "unknown"), False),
        (("a", "unknown"), ("a", "success"), False),  # TensorBoard sees a new end.
        (("a", "success"), ("a", "success"), False),
        (("a", "failure"), ("a", "success"), True),
        (("a", "failure"), ("a", "unknown"), True),
        (("a", "success"), ("b", "success"), True),
    ],
)
def test_a_server_is_stale_if_it_would_keep_showing_old_metadata(before, after, stale):
    assert is_stale({"run": before}, {"run": after}) is stale
    assert not is_stale({"run": before}, {"another": after})


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_out_of_range_is_refused(port, tmp_path):
    with pytest.raises(ValueError, match=f"port={port}: must be from 0"):
        serve(tmp_path, port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no host", "::ffff"])
def test_an_address_of_another_machine_is_refused(host, tmp_path):
    with pytest.raises(ValueError, match=f"host={host}: must be an address of this machine"):
        serve(tmp_path, 0, host=host)


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no runs in it"):
        serve(tmp_path, 0)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        serve(tmp_path / "none", 0)


def test_the_links_of_many_runs_filter_the_best_on_the_pages_that_would_select_none():
    shown = dataclasses.replace(view("h08", "h16", "h32"), best=["h16", "h08"])
    found = links(shown, "http://x")
    assert next(iter(found)) == "pictures"
    for name, page in (("pictures", "images"), ("curves", "timeseries")):
        fragment = urlsplit(found[name]).fragment
        assert unquote(fragment) == f"{page}&regexInput=^(h16|h08)$"
    assert any("press TOGGLE ALL RUNS" in line for line in greeting(shown, "http://x"))

"""Configs of several data sets meet as ranks; their scores are never mixed."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import Configs, finish_run, on_data, sweep_of
from own_metric_runs import finish_own_runs
from terminals import console_text

from seqsweep.results.across_sets import AcrossSets, Method, across_sets, table
from seqsweep.results.data_sets import data_sets
from seqsweep.results.folder_tables import as_csv, print_folder
from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.significance import Estimate
from seqsweep.results.words import ranking_words
from seqsweep.runs.ledger import read_folder, read_run
from seqsweep.runs.metrics import OURS
from seqsweep.runs.run_folder import RunFolder
from seqsweep.using.find_run import find_run

TARGET, SET = "data.source._target_", "data.source.name"


def runs(folder: Path, configs: Configs, accuracy: Any, seeds: Any = None) -> Path:
    """Writes runs with an accuracy on test, or unfinished; validation says the opposite."""

    def metrics(config: dict[str, Any]) -> dict[str, float] | None:
        test = accuracy(config)
        return None if test is None else {"val/acc": 1 - test, "test/acc": test}

    def about(config: dict[str, Any]) -> dict[str, Any]:
        return on_data(config[SET], config.get("data.fold"))

    return sweep_of(folder, configs, seeds, metrics, about=about)


def grid(folder: Path, scores: dict[str, dict[int, float]], seeds: Iterable[int] = (0, 1)) -> Path:
    """Writes runs of each data set and hidden size; seeds differ by 0.02 around the score."""
    configs = [{SET: name, "h": h} for name, by_size in scores.items() for h in by_size]
    return runs(folder, configs, lambda c: scores[c[SET]][c["h"]] + 0.02 * (c["seed"] - 0.5), seeds)


def table_of(folder: Path) -> AcrossSets:
    found = across_sets(read_folder(folder))
    assert found is not None
    return found


def tables_text(folder: Path, every: bool = False) -> str:
    entries = read_folder(folder)
    return console_text(lambda c: print_folder(c, folder, entries, every=every))


def means(found: AcrossSets) -> dict[str, list[float | None]]:
    return {m.words: [c and round(c.mean, 6) for c in m.cells] for m in found.methods}


EASY = {"digits": {8: 0.8, 16: 0.9}, "vowels": {8: 0.5, 16: 0.6}, "order": {8: 0.4, 16: 0.3}}


@pytest.fixture(scope="module", name="easy")
def get_easy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of three data sets; tests must not change them."""
    return grid(tmp_path_factory.mktemp("runs"), EASY)


def test_cells_are_means_over_seeds_and_rows_are_ordered_by_mean_rank(easy: Path):
    found = table_of(easy)
    assert found.metric == "test/acc"
    assert found.sets == ["digits", "vowels", "order"]
    assert means(found) == {"h=16": [0.9, 0.6, 0.3], "h=8": [0.8, 0.5, 0.4]}
    assert found.ranking is not None
    assert found.ranking.mean_ranks == pytest.approx([4 / 3, 5 / 3])
    against = found.ranking.against[1]
    assert against is not None
    assert (against.wins, against.draws, against.losses) == (1, 0, 2)


def test_each_data_set_has_its_leaderboard_and_then_come_the_ranks(easy: Path):
    """Validation is best for the data set that comes last."""
    board = leaderboard(read_folder(easy))
    assert board.sets == 3
    rows = [(row.config["data"], row.config["h"]) for row in board.rows]
    assert rows == [("digits", 8), ("digits", 16), ("vowels", 8), ("vowels", 16), ("order", 16),
                    ("order", 8)]  # fmt: skip
    text = tables_text(easy)
    places = [text.index(name) for name in ("digits\n", "vowels\n", "order\n", "mean ranks in")]
    assert places == sorted(places)
    assert text.count("by val/acc of the best epoch") == 3
    assert "2 configs need at least 6 data sets for a significant p in the table" in text
    assert re.search(r" 8 +1\.67 +1/0/2 ", text)
    # No mean over data sets is tables_text: those of the configs are 0.5667 and 0.6000.
    assert "0.5667" not in text + as_csv(table_of(easy))


def test_the_command_writes_every_cell_as_csv(easy: Path, tmp_path: Path, output_of: Any):
    assert output_of("leaderboard", str(easy), "--out", "table.csv")[0] == 0
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [row["config"] for row in rows] == ["h=16", "h=8"]
    assert float(rows[0]["digits"]) == pytest.approx(0.9)
    assert rows[0]["digits runs"] == "2"
    assert (rows[1]["won"], rows[1]["lost"]) == ("1", "2")
    one = grid(tmp_path / "one", {"digits": {8: 0.5}})
    code, text = output_of("leaderboard", str(one), "--out", "x.csv")
    assert code == 2 and f"--out=x.csv: {one} has one data set" in text


@pytest.mark.parametrize(
    ("batches", "words"),
    [({"digits": [16, 32], "order": [16, 32]}, ["batch_size=32", "batch_size=16"]),
     ({"digits": [32], "order": [50]}, ["h=16", "h=8"])],
    ids=["swept", "follows the data, as with experiment="],
)  # fmt: skip
def test_a_key_of_the_data_is_part_of_the_config_if_it_is_swept(
    batches: dict[str, list[int]], words: list[str], tmp_path: Path
):
    sizes = (8, 16) if len(batches["digits"]) == 1 else (8,)
    for name, own in batches.items():
        axes = {SET: [name], "h": sizes, "data.batch_size": own}
        runs(tmp_path, axes, lambda c: c["data.batch_size"] / 100 + c["h"] / 1000, 1)
    assert [method.words for method in table_of(tmp_path).methods] == words


def test_a_data_set_without_a_score_of_each_config_is_left_out_of_the_ranks(tmp_path: Path):
    grid(tmp_path, EASY)
    frequencies = [{"h": 16, "seed": 0}, {"h": 16, "seed": 1}, {"h": 8, "seed": 0}]
    runs(tmp_path, [{SET: "frequencies", **c} for c in frequencies],
         lambda c: 0.99 if c["h"] == 16 else None)  # fmt: skip
    found = table_of(tmp_path)
    assert found.sets[-1] == "frequencies"
    assert found.left_out == {"frequencies": "h=8 has no score on it"}
    assert found.ranking is not None
    assert found.ranking.number == 3
    runs(tmp_path, [{SET: "parity", "h": 16, "seed": 0}], lambda _: None)
    text = tables_text(tmp_path)
    assert "left out of the ranks: frequencies (h=8 has no score on it)" in text
    assert "parity\nno run is complete\n" in text


def test_data_sets_of_one_name_are_distinguished_by_their_arguments(tmp_path: Path):
    order = {TARGET: "seqsweep.data.tasks.temporal_order"}
    configs = [order | {"data.source.length": length} for length in (20, 50)]
    configs.append({TARGET: "seqsweep.data.ts.ts", "data.source.path": "/x/Gun/GunPoint_TRAIN.ts"})
    sweep_of(tmp_path, configs, 1, lambda _: None)
    names = [one.name for one in data_sets(read_folder(tmp_path))]
    assert sorted(names) == ["GunPoint", "temporal_order length=20", "temporal_order length=50"]


def test_one_file_that_is_read_in_two_ways_has_one_leaderboard(tmp_path: Path):
    """The values differ, the recordings and their split do not."""
    source = {TARGET: "seqsweep.data.text.text", "data.source.path": "a.csv", "seed": 0}
    splits = {name: {"fingerprint": name} for name in ("val", "test")}

    def ways(folder: Path, **other: Any) -> list[Any]:
        """Reads two runs; the record of the second has other values."""
        for tokens, acc, more in (("words", 0.9, {}), ("characters", 0.8, other)):
            record: dict[str, Any] = {"recordings": "same", "splits": splits, **more}
            record["data_fingerprint"] = tokens
            sweep_of(folder, [source | {"data.source.tokens": tokens}], None, acc, **record)
        return read_folder(folder)

    entries = ways(tmp_path / "one")
    waiting = source | {"data.source.tokens": "words", "data.source.lower": True}
    assert len(data_sets(entries, [waiting])) == 1
    assert across_sets(entries) is None
    board = leaderboard(entries)
    assert board.keys == ["data.source.tokens"] and board.sets == 1
    assert [row.config["data.source.tokens"] for row in board.rows] == ["words", "characters"]
    assert [row.apart for row in board.rows] == ["", ""] and board.rows[1].difference
    assert find_run(tmp_path / "one")[0].name == f"{0:016x}"
    # Another test split of the same recordings is not compared; other recordings stand apart.
    cut = {"val": splits["val"], "test": {"fingerprint": "another"}}
    assert leaderboard(ways(tmp_path / "cut", splits=cut)).rows[1].apart == "other test set"
    assert len(data_sets(ways(tmp_path / "two", recordings="other"))) == 2


def test_networks_of_ones_own_have_one_data_set_if_the_code_of_their_data_module_is_one(
    tmp_path: Path,
):
    """A run's code is that of its network too, so only its record says which the data's is."""
    for network, data in (("a", "1"), ("b", "1"), ("b", "2")):
        config = {"data._target_": "mine.Waves", "model._target_": f"mine.{network}"}
        sweep_of(tmp_path, [config | {"code": f"{network}{data}"}], 1, 0.5, recordings=data)
    assert [len(one.entries) for one in data_sets(read_folder(tmp_path))] == [2, 1]
    old, new = (finish_run(tmp_path / name, {"code": name}) for name in ("old", "new"))
    assert len(data_sets([read_run(RunFolder(old)), read_run(RunFolder(new))])) == 2


def test_the_table_compares_only_a_metric_that_every_data_set_has(tmp_path: Path):
    grid(tmp_path, {"digits": {8: 0.8, 16: 0.9}})
    sweep_of(tmp_path, {SET: ["own"], "h": [8]}, 1, {"val/acc": 0.5}, recordings="own")
    assert table_of(tmp_path).metric == "val/acc"


def test_many_data_sets_have_their_leaderboards_on_request(tmp_path: Path):
    grid(tmp_path, {f"set{n}": {8: 0.5, 16: 0.6} for n in range(9)}, seeds=[0])
    short = tables_text(tmp_path)
    assert "by val/acc of the best epoch" not in short
    assert f"the leaderboards of the 9 data sets: seqsweep leaderboard {tmp_path} --all" in short
    assert tables_text(tmp_path, every=True).count("by val/acc of the best epoch") == 9


def test_one_method_and_one_shared_data_set_have_no_ranks():
    one = Method("a", {}, [Estimate(1, 0.5), Estimate(1, 0.6)])
    assert table(OURS["test/acc"], ["x", "y"], [one]).ranking is None
    other = Method("b", {}, [Estimate(1, 0.5), None])
    found = table(OURS["test/acc"], ["x", "y"], [one, other])
    assert found.ranking is None
    assert "no ranks: 1 data set with a score of every config" in ranking_words(found)[0]
    # Lower losses have better ranks.
    low = Method("low", {}, [Estimate(1, 0.1), Estimate(1, 0.2)])
    found = table(OURS["val/loss"], ["x", "y"], [one, low])
    assert [method.words for method in found.methods] == ["low", "a"]


@pytest.mark.parametrize("shared", [True, False])
def test_cells_are_means_over_the_folds_that_all_configs_have(shared: bool, tmp_path: Path):
    """The smaller network has an easy fold, which the other one has not."""
    for h, folds in ((16, range(2)), (8, range(3 * (not shared), 4))):
        axes = {SET: ("digits", "order"), "h": [h], "data.fold": folds}
        runs(tmp_path, axes, lambda c: c["h"] / 100 + 0.5 * (c["data.fold"] == 3), 1)
    found = table_of(tmp_path)
    if shared:
        assert means(found) == {"h=16": [0.16, 0.16], "h=8": [0.08, 0.08]}
        assert not found.left_out and "means of" not in " ".join(ranking_words(found))
    else:
        assert set(found.left_out.values()) == {"its configs have different test sets"}
        assert (len(found.left_out), found.ranking) == (2, None)


def test_a_users_own_metric_ranks_configs_over_data_sets(tmp_path):
    """The lowest error is rank 1."""
    directions = {"val_mae": "min", "test_mae": "min"}
    for name, sign in (("a", 1), ("b", 1), ("c", -1)):
        finish_own_runs(tmp_path / name, "val_mae", "min", directions,
                        lambda n, w, s, e=1, sign=sign: 300 + sign * w + s / 9,
                        **{"data._target_": f"mine.{name}"})  # fmt: skip
    found = across_sets([entry for name in "abc" for entry in read_folder(tmp_path / name)])
    assert found is not None and found.ranking is not None
    assert (found.metric, found.sets) == ("test_mae", ["a", "b", "c"])
    assert [method.keys["model.width"] for method in found.methods] == [4, 8, 16]
    assert found.ranking.mean_ranks == pytest.approx([5 / 3, 2, 7 / 3])

"""The values of a key, all else equal: made sweeps against an own computation with scipy."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_search import write_search
from made_sweeps import entries_of, on_data, sweep_of
from own_statistics import TESTED, TRAINED, corrected_t, holm, signed_rank
from report_pages import data, page

import seqsweep
from seqsweep.errors import FolderError
from seqsweep.extras.search.searchfile import Trial
from seqsweep.results.by import compare_values
from seqsweep.results.comparison import By, Pair
from seqsweep.runs.ledger import Entry, read_folder

SWEEPS = 100
Scores = dict[tuple[str, int, int, int], float]
"""The score of each data set, value of h, setting g and replicate."""


def draw_scores(number: int) -> tuple[Scores, bool]:
    """Draws a sweep with ties and missing replicates; also says whether it has folds."""
    draw = np.random.default_rng(number)
    has_folds = bool(number % 3 == 0)
    replicates = 5 if has_folds else int(draw.choice((3, 6, 8, 9)))
    values, settings = int(draw.integers(2, 5)), int(draw.choice((1, 3, 7, 8)))
    missing = draw.choice((0.01, 0.03, 0.3))
    scores: Scores = {}
    for source in "ab"[: int(draw.integers(1, 3))]:
        for h, g in itertools.product(range(values), range(settings)):
            for replicate in range(replicates):
                if replicate and draw.random() < missing:
                    continue
                mean = 0.6 + 0.03 * h * (number % 2) + 0.02 * g
                scores[source, h, g, replicate] = draw.binomial(TESTED, mean) / TESTED
    return scores, has_folds


def entries(scores: Scores, has_folds: bool) -> list[Entry]:
    key = "data.fold" if has_folds else "seed"
    names = ("data.source.name", "h", "g", key)
    more = {"data.folds": 5} if has_folds else {}
    runs = [dict(zip(names, point, strict=True)) | more for point in scores]
    return entries_of(
        runs, None, lambda c: scores[tuple(c[name] for name in names)],
        about=lambda c: on_data(c["data.source.name"], c.get("data.fold"), TESTED, TRAINED),
    )  # fmt: skip


def expected(scores: Scores, source: str, has_folds: bool) -> dict[frozenset[str], dict[str, Any]]:
    """The pairs of values of h on a data set, computed from the scores alone."""
    own = {key[1:]: value for key, value in scores.items() if key[0] == source}
    values, settings = ({key[n] for key in own} for n in (0, 1))
    pairs = [*itertools.combinations(sorted(values), 2)]
    made: list[dict[str, Any]] = []
    for a, b in pairs:
        each = {
            g: {
                r: own[a, g, r] - own[b, g, r] for r in range(9) if {(a, g, r), (b, g, r)} <= {*own}
            }
            for g in settings
        }
        common = set[int].intersection(*(set(of) for of in each.values()))
        means = {r: float(np.mean([of[r] for of in each.values()])) for r in common}
        made.append({"values": (a, b), "each": each, "means": means})
    needed = next(n for n in range(1, 99) if len(pairs) * 2.0 ** (1 - n) < 0.05)
    fewest = min(len(one["means"]) for one in made)
    over_settings = not has_folds and fewest < needed <= len(settings)
    for one in made:
        of_settings = [float(np.mean([*of.values()])) for of in one["each"].values()]
        units = of_settings if over_settings else [*one["means"].values()]
        one["difference"] = np.mean(units) if units else None
        is_tested = len(units) >= (3 if has_folds else needed)
        is_tested &= not has_folds or np.ptp(units) > 1e-9
        one["p"] = None
        if is_tested:
            one["p"] = corrected_t(units) if has_folds else signed_rank(units)
        kept = [
            np.mean([v for r, v in of.items() if over_settings or r in one["means"]])
            for of in one["each"].values()
        ]
        sign = -1 if units and np.round(np.mean(units), 12) < 0 else 1
        gains = sign * np.round(kept, 12)
        one["counts"] = [int((gains > 0).sum()), int((gains == 0).sum()), int((gains < 0).sum())]
        one["sign"] = sign
    adjusted = holm([1.0 if one["p"] is None else one["p"] for one in made])
    for one, p in zip(made, adjusted, strict=True):
        one["adjusted"] = None if one["p"] is None else p
    return {frozenset(f"h={value}" for value in one["values"]): one for one in made}


@pytest.mark.sampled(1, 3)
@pytest.mark.parametrize("first", range(0, SWEEPS, 20))
def test_differences_p_values_and_counts_equal_an_own_computation(first: int):
    for number in range(first, first + 20):
        scores, has_folds = draw_scores(number)
        for block in compare_values(entries(scores, has_folds), "h"):
            wanted = expected(scores, block.data, has_folds)
            assert len(block.pairs) == len(wanted)
            for pair in block.pairs:
                check_pair(pair, wanted[frozenset(pair.values)])


def check_pair(pair: Pair, one: dict[str, Any]) -> None:
    if one["difference"] is None:
        assert pair.difference is None and pair.untested
        return
    assert pair.difference is not None
    assert pair.difference.mean == pytest.approx(abs(one["difference"]), abs=1e-12)
    if abs(one["difference"]) > 1e-12:
        assert pair.values[0] == f"h={one['values'][0 if one['sign'] > 0 else 1]}"
    assert (pair.p is None) == (one["p"] is None) == bool(pair.untested)
    if pair.p is not None:
        assert pair.p == pytest.approx(one["p"]) and pair.adjusted == pytest.approx(one["adjusted"])
        significant = pair.adjusted is not None and pair.adjusted < 0.05
        assert pair.verdict == ("different" if significant else "indistinguishable")
    # Of two equal means, either may come first.
    is_turned = pair.values[0] != f"h={one['values'][0 if one['sign'] > 0 else 1]}"
    counts = one["counts"][::-1] if is_turned else one["counts"]
    assert [pair.better, pair.equal, pair.worse] == counts


def made(folder: Path, seeds: int, settings: int = 12, kind: str = "acc") -> Path:
    """Writes a sweep in which gru is better than rnn in all settings but two."""

    def metrics(config: dict[str, Any]) -> dict[str, Any]:
        g, seed = config["g"], config["seed"]
        gain = 0.04 + seed / 1000 if g > 1 else 0.0 if g else -0.02
        score = 0.6 + g / 100 + (seed * 7 % 5) / 200 + gain * (config["model.cell"] == "gru")
        return dict.fromkeys((f"val/{kind}", f"test/{kind}"), score if kind == "acc" else -score)

    axes = {"model.cell": ("rnn", "gru"), "g": range(settings), "monitor": [f"val/{kind}"]}
    return sweep_of(folder, axes, seeds, metrics)


def only(folder: Path, key: str = "cell") -> By:
    (block,) = compare_values(read_folder(folder), key)
    return block


def test_the_sentence_names_the_better_value_its_lead_and_its_settings(tmp_path: Path):
    (pair,) = only(made(tmp_path, 9)).pairs
    assert pair.sentence == (
        "gru is better than rnn: test/acc +0.0350 [+0.0332, +0.0368], p 0.004, mean of 12 "
        "settings, 9 seeds; better in 10, equal in 1, worse in 1."
    )


def test_values_of_equal_text_stay_apart(tmp_path: Path):
    sweep_of(tmp_path, {"h": (1, "1", 2)}, 7, lambda c: (c["seed"] + len(str(c["h"]))) % 5 / 9)
    assert len(only(tmp_path, "h").pairs) == 3


def test_of_a_loss_the_smaller_is_better(tmp_path: Path):
    (pair,) = only(made(tmp_path, 9, kind="loss")).pairs
    assert pair.sentence.startswith("gru is better than rnn: test/loss -0.0350 [-0.0368, -0.0332]")


def test_settings_are_the_units_only_where_seeds_are_too_few_and_they_are_enough(tmp_path: Path):
    few = only(made(tmp_path / "few", 2))
    assert few.unit == "setting" and "settings do not share the luck" in few.pairs[0].sentence
    none = only(made(tmp_path / "none", 2, settings=5))
    assert none.unit == "seed" and none.pairs[0].p is None
    assert none.pairs[0].untested == "6 seeds would make a test: 'seed=range(6)'"


def cell_score(config: dict[str, Any]) -> float:
    return 0.5 + len(config["cell"]) / 20 + (config["seed"] * 7 % 5) / 100


def test_a_key_that_follows_does_not_hinder_and_is_named(tmp_path: Path):
    rates = {"rnn": 0.1, "lstm": 0.01, "mingru": 0.01}
    configs = [{"cell": cell, "g": g, "lr": rate} for cell, rate in rates.items() for g in (1, 2)]
    block = only(sweep_of(tmp_path, configs, 1, cell_score))
    assert [pair.settings for pair in block.pairs] == [2, 2, 2]
    assert block.notes == ["lr changes with cell"]
    with pytest.raises(ValueError, match="lr: changes only together with cell"):
        only(tmp_path, "lr")


def test_values_that_share_no_setting_or_no_sequences_are_refused(tmp_path: Path, output_of):
    crossed = [("rnn", 1, 1), ("rnn", 2, 2), ("gru", 1, 2), ("gru", 2, 1)]
    configs = [{"cell": cell, "g": g, "k": k} for cell, g, k in crossed]
    apart = sweep_of(tmp_path / "a", configs, 1, cell_score)
    code, printed = output_of("leaderboard", str(apart), "--by", "cell")
    assert (code, printed) == (2, "seqsweep: cell: no setting has both values\n")
    sweep_of(tmp_path / "b", {"h": (1, 2)}, 1, 0.5, about=lambda c: on_data("d", c["h"]))
    with pytest.raises(ValueError, match="h: other validation and test sets"):
        only(tmp_path / "b", "h")


def test_a_pair_without_a_common_setting_does_not_count_for_the_correction(tmp_path: Path):
    """The settings of mingru are its own, so the others are tested as alone."""
    settings = {"rnn": (0, 1), "lstm": (0, 1), "mingru": (2, 3)}
    configs = [{"cell": cell, "g": g} for cell, of in settings.items() for g in of]
    pairs = only(sweep_of(tmp_path / "three", configs, 6, cell_score)).pairs
    (pair,) = only(sweep_of(tmp_path / "two", configs[:4], 6, cell_score)).pairs
    assert [one for one in pairs if one.difference] == [pair]
    assert pair.adjusted == pair.p == 2 / 2**6 and pair.verdict == "different"
    assert [one.untested for one in pairs if not one.difference] == [
        "no setting has both values"
    ] * 2


def test_pandas_has_a_row_for_each_pair(tmp_path: Path):
    folder = made(tmp_path, 9)
    (pair,) = only(folder).pairs
    (row,) = seqsweep.compare_by(folder, "cell").to_dict("records")
    assert pair.difference is not None
    assert (row["first"], row["second"], row["sentence"]) == ("gru", "rnn", pair.sentence)
    assert (row["low"], row["high"]) == (pair.difference.low, pair.difference.high)
    with pytest.raises(FolderError, match="did you mean 'cell'"):
        seqsweep.compare_by(folder, "cel")


def test_a_key_is_named_by_its_end_and_compared_only_on_request(tmp_path: Path, output_of):
    """The views say the same, as tests/results/test_views.py shows."""
    folder = made(tmp_path / "runs", 2, settings=3)
    printed = json.loads(output_of("leaderboard", str(folder), "--by", "model.cell", "--json")[1])
    assert printed == json.loads(output_of("leaderboard", str(folder), "--by", "cell", "--json")[1])
    sentence = printed["by"][0]["pairs"][0]["sentence"]
    assert sentence not in page(folder).text and "by" not in data(folder)


def test_wrong_keys_are_refused_in_one_line(tmp_path: Path, output_of):
    folder = made(tmp_path, 2, settings=3)
    for key, words in (
        ("cel", "cel: no run has this key; did you mean 'cell'"),
        ("monitor", "monitor: has only one value"),
        ("seed", "its values are replicates of a config"),
    ):
        for command in ("leaderboard", "report"):
            code, printed = output_of(command, str(folder), "--by", key)
            assert code == 2 and words in printed and printed.count("\n") == 1
    assert not (folder / "report.html").exists()


def test_trials_of_a_search_without_fresh_seeds_are_not_compared(tmp_path: Path):
    folder = made(tmp_path / "runs", 1, settings=7)
    names = sorted(path.name for path in folder.iterdir())
    write_search(folder, [Trial(number, {}, [name]) for number, name in enumerate(names)])
    with pytest.raises(ValueError, match="no config of the search has fresh seeds"):
        only(folder)

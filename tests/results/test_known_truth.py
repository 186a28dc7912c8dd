"""The verdicts and the ranks of 300 random sweeps are those of scipy.

The accuracies are shares of 40 test sequences, so they tie. The configs of half of the sweeps are
equal, and in the others each config is better than the next.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest
from made_sweeps import entries_of, on_data
from own_statistics import TESTED, TRAINED, corrected_t, holm, signed_rank
from scipy import stats

from seqsweep.results.across_sets import across_sets
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.words import answer_of_ranks, find_answer
from seqsweep.runs.ledger import Entry

SWEEPS = 300
KINDS = ("seeds", "folds", "one seed", "data sets")


class Sweep(NamedTuple):
    """The scores [data set, config, replicate] of a sweep of a kind."""

    kind: str
    scores: np.ndarray[Any, Any]

    @property
    def entries(self) -> list[Entry]:
        key = "data.fold" if self.kind == "folds" else "seed"
        points = np.ndindex(self.scores.shape)

        def metrics(config: dict[str, Any]) -> dict[str, float]:
            """Validation ranks the configs in the order of h."""
            score = self.scores[int(config["data.source.name"]), config["h"], config[key]]
            return {"val/acc": 1 - config["h"] / 10, "test/acc": float(score)}

        return entries_of(
            [{"data.source.name": str(s), "h": h, key: r} for s, h, r in points],
            None, metrics,
            about=lambda c: on_data(c["data.source.name"], c.get("data.fold"), TESTED, TRAINED),
        )  # fmt: skip


def sweep(number: int) -> Sweep:
    """Draws a sweep; its scores vary by replicate, and by chance of the test sequences."""
    draw, kind = np.random.default_rng(number), KINDS[number % len(KINDS)]
    sets = int(draw.integers(6, 12)) if kind == "data sets" else 1
    configs = int(draw.integers(2, 5))
    replicates = {"folds": 5, "one seed": 1, "data sets": 2}.get(kind) or int(draw.integers(6, 13))
    differs = bool(number // len(KINDS) % 2)
    means = 0.8 - 0.2 * np.arange(configs) * differs
    shared = draw.normal(0, 0.03, size=(sets, 1, replicates))
    chance = np.clip(means[None, :, None] + shared, 0.02, 0.98)
    return Sweep(kind, draw.binomial(TESTED, chance) / TESTED)


def expected_verdicts(one: Sweep) -> list[str]:
    """The verdicts on all configs but the first, by scipy."""
    scores = one.scores[0]
    differences = [scores[h] - scores[0] for h in range(1, len(scores))]
    test = corrected_t if one.kind == "folds" else signed_rank
    adjusted = holm([test(each) for each in differences])
    clearest = len(differences) * 2.0 ** (1 - scores.shape[1])
    verdicts: list[str] = []
    for p, each in zip(adjusted, differences, strict=True):
        is_undefined = one.kind == "folds" and np.ptp(each) < 1e-9 and each.any()
        is_few = one.kind != "folds" and clearest >= 0.05
        untested = "undecided" if is_undefined or is_few else "indistinguishable"
        verdicts.append("different" if p < 0.05 else untested)
    return verdicts


def verdicts_of(board: Leaderboard) -> list[str]:
    assert [row.config["h"] for row in board.rows] == sorted(row.config["h"] for row in board.rows)
    return [row.difference.verdict for row in board.rows[1:] if row.difference]


@pytest.fixture(scope="module")
def sweeps() -> list[Sweep]:
    return [sweep(number) for number in range(SWEEPS)]


@pytest.mark.parametrize("kind", KINDS[:3])
def test_the_verdicts_are_scipys_and_the_answer_counts_them(sweeps: list[Sweep], kind: str):
    for one in (each for each in sweeps if each.kind == kind):
        board = leaderboard(one.entries)
        expected = expected_verdicts(one)
        assert verdicts_of(board) == expected, one
        answer = find_answer(board)
        if answer.verdict == "best":
            counts = [answer.numbers[name] for name in ("different", "indistinguishable")]
            assert counts == [expected.count("different"), expected.count("indistinguishable")]
        else:
            assert [answer.verdict] == expected
            assert ("better than" in answer.sentence) == (expected == ["different"])


def test_the_ranks_over_data_sets_are_scipys(sweeps: list[Sweep]):
    for one in (each for each in sweeps if each.kind == "data sets"):
        across = across_sets(one.entries)
        assert across is not None and across.ranking is not None
        means = one.scores.mean(axis=2)
        ranks = np.array([stats.rankdata(-row.round(9)) for row in means]).mean(axis=0)
        assert across.ranking.mean_ranks == pytest.approx(sorted(ranks))
        order = [method.keys["h"] for method in across.methods]
        assert [ranks[h] for h in order] == pytest.approx(across.ranking.mean_ranks)
        if across.ranking.friedman_p is not None and len(set(map(tuple, means))) > 1:
            expected: Any = stats.friedmanchisquare(*means.round(9).T)
            assert across.ranking.friedman_p == pytest.approx(expected.pvalue)
        best = f"h={order[0]}"
        assert answer_of_ranks(across).sentence.startswith(f"{best} has the lowest mean rank")

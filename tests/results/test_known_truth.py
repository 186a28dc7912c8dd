"""The truth of 225 sweeps is known: verdicts equal scipy's, and chance finds little.

The accuracies are shares of 40 test sequences, so they tie. The configs of half of the sweeps are
equal, and in the others each config is better than the next.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest
from made_sweeps import entries_of, on_data
from own_statistics import TESTED, corrected_t, holm, signed_rank

from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.words import find_answer
from seqsweep.runs.ledger import Entry

SWEEPS = 225
KINDS = ("seeds", "folds", "one seed")


class Sweep(NamedTuple):
    """The scores [config, replicate], and whether the configs truly differ."""

    kind: str
    scores: np.ndarray[Any, Any]
    differs: bool

    @property
    def entries(self) -> list[Entry]:
        configs, replicates = map(range, self.scores.shape)
        key = "data.fold" if self.kind == "folds" else "seed"

        def metrics(config: dict[str, Any]) -> dict[str, float]:
            # Validation ranks the configs in the order of h.
            score = float(self.scores[config["h"], config[key]])
            return {"val/acc": 1 - config["h"] / 10, "test/acc": score}

        return entries_of(
            {"h": configs, key: replicates}, None, metrics,
            about=lambda config: on_data("d", config.get("data.fold")),
        )  # fmt: skip


def sweep(number: int) -> Sweep:
    """Draws a sweep; its scores vary by replicate, and by chance of the test sequences."""
    draw, kind = np.random.default_rng(number), KINDS[number % len(KINDS)]
    configs = int(draw.integers(2, 5))
    replicates = {"folds": 5, "one seed": 1}.get(kind) or int(draw.integers(6, 13))
    differs = bool(number // len(KINDS) % 2)
    means = 0.9 - 0.28 * np.arange(configs) * differs
    chance = np.clip(means[:, None] + draw.normal(0, 0.03, size=(1, replicates)), 0.02, 0.98)
    return Sweep(kind, draw.binomial(TESTED, chance) / TESTED, differs)


def expected_verdicts(one: Sweep) -> list[str]:
    """The verdicts on all configs but the first, by scipy."""
    scores = one.scores
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


@pytest.mark.parametrize("kind", KINDS)
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


def test_equal_configs_rarely_differ_and_different_ones_always(sweeps: list[Sweep]):
    """No more than one of twenty families of equal configs has a difference, as Holm promises."""
    found: dict[bool, list[bool]] = {True: [], False: []}
    for one in sweeps:
        if one.kind == "seeds" and "undecided" not in (verdicts := expected_verdicts(one)):
            found[one.differs].append("different" in verdicts)
    assert len(found[False]) > 20 and np.mean(found[False]) <= 0.1
    assert len(found[True]) > 20 and all(found[True])

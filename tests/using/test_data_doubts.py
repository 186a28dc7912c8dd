"""`seqsweep data info` doubts a reading that looks wrong, and proposes another."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqsweep.config.from_overrides import compose
from seqsweep.training.run_data import data_of

rng = np.random.default_rng(0)


def rows(first: Callable[[int, int], object], recordings: int = 12, steps: int = 20) -> str:
    """A long table of recordings; `first` gives the cell of a channel a."""
    lines = ["id,label,a,b"]
    for n in range(recordings):
        for t in range(steps):
            lines.append(f"r{n},{'uv'[n % 2]},{first(n, t)},{rng.normal():.3f}")
    return "\n".join(lines) + "\n"


def copies(n: int, t: int) -> float:
    """Two recordings whose rows overlap by 15 steps."""
    return float(np.sin((t + 5 * n if n < 2 else 1000 * n + t) ** 2))


def subjects(folder: Path) -> None:
    for name in ("S1/walk_1", "S1/sit_1", "S2/walk_1", "S2/sit_1", "S3/walk_1", "S3/sit_1"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{name}.csv").write_text(f"x\n{rng.normal()}\n{rng.normal()}\n")


def two_classes(folder: Path) -> None:
    """Four recordings of one step, so fewer rows than the runs that overlapping copies share."""
    for name, x in (("u/0", 1), ("u/1", 2), ("v/0", 1), ("v/1", 3)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{name}.csv").write_text(f"x\n{x}\n")


SHORT = "label,a,b\n" + "".join(
    f"{'uv'[n % 2]},{rng.normal()},{rng.normal()}\n" for n in range(200)
)

DOUBTS: dict[str, tuple[str | Callable[[Path], None], str, str]] = {
    "short sequences": (SHORT, "200 sequences of at most 2 steps", ""),
    "nanoseconds": (
        rows(lambda n, t: 10**15 + 1000 * (t % 3)),
        "values of 1e+12 and more",
        "features=[b]",
    ),
    "a clock": (rows(lambda n, t: n + t / 20), "channel a rises in every recording", "step=a"),
    "a still channel": (rows(lambda n, t: 5), "channel a never changes", "features=[b]"),
    "a far file": (rows(lambda n, t: 900 * (n == 3) + rng.normal()), "sequence 3 is far", ""),
    "folders of subjects": (subjects, "folders have equal names", "{group}/{label}_{id}.csv"),
    "a file in two classes": (two_classes, "equal values and different labels", ""),
}


def info(command, path: Path, *words: str) -> dict[str, Any]:
    return json.loads(command("data", "info", str(path), *words, "--json").out)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("case", DOUBTS)
def test_a_reading_that_looks_wrong_is_doubted_and_not_proposed(case, command, tmp_path):
    content, reason, other = DOUBTS[case]
    path = tmp_path / "my.csv" if isinstance(content, str) else tmp_path
    if isinstance(content, str):
        path.write_text(content)
    else:
        content(tmp_path)
    found = info(command, path)["doubts"]
    (doubt,) = [one for one in found if reason in one["reason"]]
    assert other in doubt["other_reading"]
    if other:
        words = shlex.split(doubt["other_reading"])[2:]
        assert data_of(compose(words)["data"]).source.num_classes == 2
    printed = command("data", "info", str(path)).out
    assert printed.startswith("doubtful: ") and not printed.splitlines()[-1].startswith("seqsweep")


@pytest.mark.slow
def test_copies_that_overlap_are_doubted_except_within_a_group(command, tmp_path):
    lines = ["id,label,subject,a"]
    for n in range(12):
        lines += [f"r{n},{'uv'[n % 2]},{n // 2},{copies(n, t)}" for t in range(20)]
    (tmp_path / "my.csv").write_text("\n".join(lines))
    reason = "2 sequences of 12 repeat rows of another"
    for words, is_doubted in ((["group=none", "features=a"], True), ([], False)):
        doubts = info(command, tmp_path / "my.csv", *words)["doubts"]
        assert any(reason in one["reason"] for one in doubts) == is_doubted


@pytest.mark.slow
@pytest.mark.parametrize("source", ["digits", "japanese_vowels", "adding"])
def test_bundled_data_are_not_doubted(source, command):
    assert json.loads(command("data", "info", source, "--json").out)["doubts"] == []

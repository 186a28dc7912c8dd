"""Makes the folder of a search: records, metrics.csv and search.json, without training."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from made_sweeps import finish_run, id_of, write_rows

from seqsweep.extras.search.searchfile import Choice, Numbers, SearchFile, Trial
from seqsweep.extras.search.trials import Tried, ranked, read_trials

LR, SIZE, CELL = "optimizer.lr", "model.hidden_size", "model.cell"
DECAY = "optimizer.weight_decay"
SPACE: dict[str, Numbers | Choice] = {
    LR: Numbers(1e-4, 0.1, log=True),
    SIZE: Numbers(4, 64, log=True, integer=True),
    CELL: Choice(["rnn", "gru", "lstm"]),
    DECAY: Numbers(0.0, 0.1),
}
EPOCHS = 27


def quality(params: dict[str, Any]) -> float:
    """The validation accuracy that a config tends to; the learning rate matters most."""
    off = abs(math.log10(params[LR]) + 2) / 3
    return 0.95 - 0.5 * off**1.5 - 0.1 * (params[CELL] == "rnn") - 0.2 / math.sqrt(params[SIZE])


def values_of(params: dict[str, Any], run_id: str, epochs: int) -> list[float]:
    noise = random.Random(run_id)
    end = quality(params) + noise.gauss(0, 0.02)
    speed = 2 + 4 * noise.random()
    return [min(0.999, end * (1 - 0.7 * math.exp(-(e + 1) / speed))) for e in range(epochs)]


def write_run(
    folder: Path, run_id: str, params: dict[str, Any], seed: int, epochs: int, whole: bool = True
) -> None:
    """Writes a run of so many epochs, which was pruned unless it is whole."""
    values = values_of(params, run_id, epochs)
    best = max(values)
    run = {"seed": seed, **params, "val/acc": best, "val/loss": 1.4 - best}
    record: dict[str, Any] = {
        "best_epoch": values.index(best), "epochs": epochs,
        "params": 40 * params[SIZE] ** 2, "train_seconds": 0.02 * epochs,
    }  # fmt: skip
    if whole:
        noise = random.Random(run_id).gauss(0, 0.01)
        run |= {"test/acc": best - 0.01 + noise, "test/f1": best - 0.02}
    else:
        end_of_run = {"epoch": epochs, "value": best, "threshold": None}
        record |= {"status": "pruned", "pruned": end_of_run}
    finish_run(folder / run_id, run, **record)
    rows = [[e, e, 1.5 - v, v, 1.4 - v, v] for e, v in enumerate(values)]
    write_rows(folder / run_id, "epoch,step,train/loss,train/acc,val/loss,val/acc", rows)


def sampled(number: int) -> dict[str, Any]:
    """The params of a trial, drawn at random."""
    draw = random.Random(number)
    return {
        LR: 10 ** draw.uniform(-4, -1),
        SIZE: round(4 * 16 ** draw.random()),
        CELL: draw.choice(["rnn", "gru", "lstm"]),
        DECAY: draw.uniform(0, 0.1),
    }


def write_trial(folder: Path, number: int, epochs: int, whole: bool) -> Trial:
    params, run_id = sampled(number), id_of(number)
    write_run(folder, run_id, params, 0, epochs, whole)
    return Trial(number, params, [run_id], ends_at=None if whole else epochs)


def write_values(folder: Path, values: Sequence[float | None]) -> list[Trial]:
    """Writes a complete run for each value of val/acc; one that runs for None."""
    for number, value in enumerate(values):
        if value is not None:
            run = {"seed": 0, "val/acc": value}
            finish_run(folder / f"v{number}", run, epochs=9, train_seconds=1.0)
    return [Trial(number, sampled(number), [f"v{number}"]) for number in range(len(values))]


def write_search(folder: Path, trials: Sequence[Trial], **changes: Any) -> SearchFile:
    made: dict[str, Any] = {
        "method": "random", "pruner": "none", "metric": "val/acc", "space": SPACE,
        "settings": {}, "budget": {"trials": 64}, **changes,
    }  # fmt: skip
    params = [{k: v for k, v in t.params.items() if k in made["space"]} for t in trials]
    kept = [replace(trial, params=own) for trial, own in zip(trials, params, strict=True)]
    search = SearchFile(**made, trials=kept)
    search.write(folder)
    return search


def tried(folder: Path) -> list[Tried]:
    search = SearchFile.read(folder)
    assert search is not None
    return read_trials(search, folder)


def confirm(folder: Path, seeds: int, top: int = 5) -> dict[int, list[str]]:
    """Writes runs of the best trials over fresh seeds; returns their run_ids by trial."""
    result: dict[int, list[str]] = {}
    for trial in ranked(tried(folder), -1)[:top]:
        for seed in range(1, seeds + 1):
            run_id = id_of(trial.number + 4096 * seed)
            write_run(folder, run_id, dict(trial.params), seed, EPOCHS)
            result.setdefault(trial.number, []).append(run_id)
    return result


def random_search(folder: Path, count: int, seeds: int = 0, **changes: Any) -> SearchFile:
    """Writes a random search of complete trials, its best ones trained again over fresh seeds."""
    trials = [write_trial(folder, number, EPOCHS, whole=True) for number in range(count)]
    write_search(folder, trials)
    return write_search(folder, trials, **{"confirmed": confirm(folder, seeds), **changes})


def halving(folder: Path, count: int, seeds: int = 0) -> SearchFile:
    """Writes a search by successive halving with rungs at 1, 3 and 9 epochs."""
    left = {number: sampled(number) for number in range(count)}
    trials: list[Trial] = []
    for epochs in (1, 3, 9):
        # The values at a rung are those of the finished runs, cut off there.
        order = sorted(left, key=lambda n: -values_of(left[n], id_of(n), epochs)[-1])
        for number in order[max(1, len(order) // 3) :]:
            trials.append(write_trial(folder, number, epochs, whole=False))
            del left[number]
    trials += [write_trial(folder, number, EPOCHS, whole=True) for number in left]
    trials.sort(key=lambda trial: trial.number)
    changes: dict[str, Any] = {
        "method": "halving", "pruner": "halving", "rungs": [1, 3, 9], "budget": {"trials": count}
    }  # fmt: skip
    write_search(folder, trials, **changes)
    return write_search(folder, trials, confirmed=confirm(folder, seeds), **changes)

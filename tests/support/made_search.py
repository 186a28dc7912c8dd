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


def write_search(
    folder: Path, trials: Sequence[Trial], seeds: int = 0, **changes: Any
) -> SearchFile:
    """Writes search.json; with `seeds` its five best trials are trained again with fresh seeds."""
    made: dict[str, Any] = {
        "method": "random", "pruner": "none", "metric": "val/acc", "space": SPACE,
        "settings": {}, "budget": {"trials": 64}, **changes,
    }  # fmt: skip
    params = [{k: v for k, v in t.params.items() if k in made["space"]} for t in trials]
    kept = [replace(trial, params=own) for trial, own in zip(trials, params, strict=True)]
    SearchFile(**made, trials=kept).write(folder)
    search, confirmed = search_of(folder), dict[int, list[str]]()
    for trial in ranked(tried(folder), search.sign)[:5] if seeds else ():
        confirmed[trial.number] = [id_of(trial.number + 4096 * n) for n in range(1, seeds + 1)]
        for seed, run_id in enumerate(confirmed[trial.number], start=1):
            write_run(folder, run_id, sampled(trial.number), seed, EPOCHS)
    search = replace(search, confirmed=changes.get("confirmed", confirmed))
    search.write(folder)
    return search


def search_of(folder: Path) -> SearchFile:
    """Returns the content of a folder's search.json."""
    search = SearchFile.read(folder)
    assert search is not None
    return search


def tried(folder: Path) -> list[Tried]:
    """Returns the trials of a folder's search with their results."""
    return read_trials(search_of(folder), folder)


def random_search(folder: Path, count: int, seeds: int = 0, **changes: Any) -> SearchFile:
    """Writes a random search of complete trials, its best ones trained again over fresh seeds."""
    trials = [write_trial(folder, number, EPOCHS, whole=True) for number in range(count)]
    return write_search(folder, trials, seeds, **changes)


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
    budget, rungs = {"trials": count}, [1, 3, 9]
    return write_search(
        folder, trials, seeds, method="halving", pruner="halving", rungs=rungs, budget=budget
    )

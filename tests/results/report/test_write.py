"""Every kind of sweep has a correct page, all three files agree, and no text is markup."""

import csv
import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from seqsweep.results.leaderboard import leaderboard
from seqsweep.results.report import config_runs, row_view
from seqsweep.results.report.write import write_report
from seqsweep.results.tensorboard.runs import read_runs
from seqsweep.runs.ledger import read_folder
from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sealed import write_sealed
from seqsweep.runs.sweepfile import SweepFile

HEADER = "epoch,step,lr,train/loss,train/acc,train/f1,train/grad_norm,val/loss,val/acc,val/f1"
PAYLOAD = "</script><script>alert(1)</script>"
SIZE, LAYERS = "model.hidden_size", "model.num_layers"


def started(folder: Path, config: dict[str, Any], epochs: int = 3) -> RunFolder:
    """Writes a run that has trained for some epochs; its run_id is its number."""
    run = RunFolder(folder / f"{len(list(folder.glob('*/config.yaml'))):016x}")
    run.start({"monitor": "val/acc", **config}, {"command": ["seqsweep", "train"]}, sync=False)
    rows = [
        f"{e},{e},0.1,{2 / (e + 1)},0.{e},0.{e},1,{3 / (e + 1)},0.{e},0.{e}" for e in range(epochs)
    ]
    (run.path / "metrics.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return run


def trained(folder: Path, config: dict[str, Any], **metrics: float) -> RunFolder:
    """Writes a complete run; a metric's name has __ for the slash."""
    run = started(folder, config)
    values = {name.replace("__", "/"): value for name, value in metrics.items()}
    run.finish(
        {"config": {"monitor": "val/acc", **config}, "metrics": {"train/loss": 0.5} | values,
         "best_epoch": 2, "params": 100 * config.get(SIZE, 1), "train_seconds": 0.5 * len(config),
         "classes": ["a", "b"], "confusion": {"test": [[9, 1], [2, 8]]}},
        synced=True,
    )  # fmt: skip
    return run


def grid(folder: Path, sizes: list[int], layers: list[int], seeds: int) -> Path:
    """Writes a grid in which larger networks are better on validation and test."""
    for size in sizes:
        for depth in layers:
            for seed in range(seeds):
                score = 0.5 + size / 100 + depth / 50 + seed / 1000
                trained(folder, {SIZE: size, LAYERS: depth, "seed": seed},
                        val__acc=score, val__loss=1 - score, test__acc=score - 0.01,
                        test__f1=score - 0.02)  # fmt: skip
    return folder


class Page(HTMLParser):
    """The text that a reader sees, the headings and the elements of a report."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.headings: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.place: list[str] = []
        self.feed(source)
        # Between an element and a comma a browser shows no space.
        self.text = " ".join(" ".join(self.words).split()).replace(" , ", ", ")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.place.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.place and self.place.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "script" not in self.place and "style" not in self.place:
            self.words.append(data)
            if "h2" in self.place:
                self.headings.append(data)


def data_of_page(folder: Path) -> dict[str, Any]:
    page(folder)
    return data(folder)


def page(folder: Path) -> Page:
    """Writes and parses the page of a folder, without plotly's source."""
    path, *_ = write_report(folder)
    source = path.read_text(encoding="utf-8")
    found = Page(re.sub(r"<script>/\*\*.*?</script>", "", source, flags=re.DOTALL))
    assert not re.search(r"\b(nan|NaN|inf|None|undefined)\b", found.text)
    return found


def data(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


SECTIONS = ["Leaderboard", "Effect of each axis", "Learning curves", "Test accuracy against cost",
            "Confusion of the best config", "Variance between seeds", "Run it again"]  # fmt: skip


def test_a_sweep_with_seeds_tells_the_whole_story_in_its_order(tmp_path):
    found = page(grid(tmp_path, [8, 32], [1, 2], 3))
    assert found.headings == SECTIONS
    assert "Best on validation: hidden_size=32 num_layers=2, test accuracy 0.851, 95" in found.text
    assert (
        "3 seeds are too few for a signed-rank test. 4 configs need at least 7 seeds." in found.text
    )
    assert "not by any test number" in found.text


def test_with_enough_seeds_a_config_differs(tmp_path):
    found = page(grid(tmp_path, [8, 32], [1], 6))
    assert "The other config differs." in found.text


def test_configs_that_take_turns_are_indistinguishable(tmp_path):
    for size in (8, 16):
        for seed in range(6):
            score = 0.8 + 0.01 * (seed + 1) * (-1) ** (seed + size // 16)
            trained(tmp_path, {SIZE: size, "seed": seed}, val__acc=size / 20, test__acc=score)
    found = page(tmp_path)
    assert "The other config is statistically indistinguishable." in found.text
    assert "≈ best" in found.text


def test_one_seed_per_config_has_no_interval(tmp_path):
    found = page(grid(tmp_path, [8, 16, 32], [1], 1))
    assert "One seed per config: no confidence intervals and no tests." in found.text
    assert "3 configs need at least 7 seeds." in found.text
    assert "'seed=range(7)'" in found.text
    assert "interval [" not in found.text


def test_one_run_is_a_report_of_its_own(tmp_path):
    run = trained(tmp_path, {SIZE: 8, "seed": 0}, val__acc=0.9, test__acc=0.8)
    for folder in (tmp_path, run.path):
        found = page(folder)
        assert "hidden_size=8, test accuracy 0.800 (one run, no confidence interval)." in found.text
        assert "Effect of each axis" not in found.headings
        assert "Variance between seeds" not in found.headings


def test_validation_names_the_best_even_where_another_tests_higher(tmp_path):
    for size, val, test in ((8, 0.9, 0.6), (16, 0.8, 0.95)):
        trained(tmp_path, {SIZE: size, "seed": 0}, val__acc=val, test__acc=test)
    assert "Best on validation: hidden_size=8, test accuracy 0.600." in page(tmp_path).text


def test_without_a_test_split_the_number_is_called_optimistic(tmp_path):
    for size in (8, 16):
        trained(tmp_path, {SIZE: size, "seed": 0}, val__acc=size / 20)
    found = page(tmp_path)
    assert "Best on validation: hidden_size=16, validation accuracy 0.800." in found.text
    assert "There is no test split, so this validation number" in found.text


def test_without_validation_the_report_says_what_ranks(tmp_path):
    for size in (8, 16):
        trained(tmp_path, {SIZE: size, "seed": 0}, train__loss=1 / size, test__acc=size / 20)
    found = page(tmp_path)
    assert "Best on training: hidden_size=16, test accuracy 0.800." in found.text
    assert (
        "No validation metric was monitored: all numbers are of the last epoch, and training loss "
        "ranks the configs." in found.text
    )


def test_many_axes_become_panels_and_what_is_left_is_averaged(tmp_path):
    for number in range(2**7):
        bits = [number >> place & 1 for place in range(7)]
        config = {f"model.key{place}": bit for place, bit in enumerate(bits)}
        trained(tmp_path, config | {"seed": 0}, val__acc=0.3 + number / 400, test__acc=number / 128)
    found = page(tmp_path)
    drawn = [attributes.get("data-figure") or "" for _, attributes in found.elements]
    assert sum(name.startswith("axis-") for name in drawn) == 4
    assert "averaged over" in found.text
    assert "show all 128" in found.text


def test_failures_are_listed_with_folded_tracebacks(tmp_path):
    grid(tmp_path, [8, 16], [1], 1)
    for seed in range(2):
        started(tmp_path, {SIZE: 99, LAYERS: 1, "seed": seed}).fail(
            RuntimeError("no <b>memory</b>")
        )
    started(tmp_path, {SIZE: 98, LAYERS: 1, "seed": 0}).interrupt(KeyboardInterrupt("SIGINT"))
    started(tmp_path, {SIZE: 97, LAYERS: 1, "seed": 0})
    run = started(tmp_path, {SIZE: 96, LAYERS: 1, "seed": 0})
    config = {SIZE: 96, LAYERS: 1, "seed": 0}
    run.finish({"status": "diverged", "error": "loss is infinite", "config": config, "metrics": {}})
    found = page(tmp_path)
    assert "failed: RuntimeError: no <b>memory</b>" in found.text
    for words in ("interrupted: SIGINT", "incomplete: killed", "diverged: loss is", "2 failed"):
        assert words in found.text
    inside = [tag for tag, _ in found.elements]
    assert inside.count("details") == 4  # two rows; one traceback for two; which runs are missing
    assert "hidden_size=99 seed=1" in found.text


def test_a_report_without_a_complete_run_says_why(tmp_path):
    failed, going = tmp_path / "failed", tmp_path / "going"
    for seed in range(3):
        RunFolder(failed / f"{seed}").refuse({"seed": seed}, ValueError("wrong"))
    found = page(failed)
    assert "All 3 runs failed." in found.text
    assert found.headings == ["Failures", "Run it again"]

    run = started(going, {SIZE: 8, "seed": 0})
    configs = {
        name: {"monitor": "val/acc", SIZE: size, "seed": 0}
        for name, size in ((run.run_id, 8), ("other", 16))
    }
    SweepFile(["seqsweep", "train", "-m", f"{SIZE}=8,16"], 0.0, configs).write(going)
    with RunLock(run.path):
        found = page(going)
    assert "No run is complete yet: 1 running, 1 not started." in found.text
    assert "1 run still training (hidden_size=8), 1 run not started" in found.text
    assert found.headings == ["Learning curves", "Run it again"]
    assert "seqsweep train -m model.hidden_size=8,16" in found.text


def test_runs_that_are_missing_are_listed(tmp_path):
    grid(tmp_path, [8, 16], [1, 2], 2)
    (tmp_path / f"{0:016x}" / "record.json").unlink()
    found = page(tmp_path)
    assert "1 of the 8 runs of this sweep is not complete (1 incomplete)" in found.text
    assert "hidden_size=8 num_layers=1 seed=0" in found.text


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [
        (0.851, "statistically indistinguishable from the best network (0.851) on 2,000,000 test"),
        (0.849, "statistically indistinguishable from the best network (0.851) with 3 seeds."),
        (0.7, "logistic regression, test accuracy 0.700, 0.151 below the best network (0.851)."),
        (0.99, "logistic regression, test accuracy 0.990, 0.139 above the best network (0.851)."),
    ],
)
def test_the_networks_are_measured_against_the_baseline(accuracy, words, tmp_path):
    grid(tmp_path, [8, 32], [1, 2], 3)
    for record in tmp_path.glob("*/record.json"):  # of so many sequences that chance is small
        content = json.loads(record.read_text())
        counts = {"confusion": {"test": [[900000, 100000], [200000, 800000]]}}
        write_sealed(record, content | counts)
    made = {"data": {}, "data_fingerprint": None, "seconds": 0.1}
    rows = [
        made | {"name": "majority class", "metrics": {"test/acc": 0.5, "val/acc": 0.5}},
        made | {"name": "logistic regression", "metrics": {"test/acc": accuracy, "val/acc": 0.8}},
    ]
    write_sealed(
        tmp_path / "baselines.json", {"baselines": rows, "notes": ["1-nearest neighbour: off"]}
    )
    found = page(tmp_path)
    assert words in found.text
    assert "majority class" in found.text
    assert "1-nearest neighbour: off" in found.text


def test_every_text_is_shown_and_none_is_markup(tmp_path):
    """This covers values, classes, errors, tracebacks, baselines and commands."""
    for number, name in enumerate((PAYLOAD, "<b>x</b>")):
        run = trained(
            tmp_path, {"model.cell": name, "seed": 0}, val__acc=0.5 + number / 10, test__acc=0.5
        )
        record = run.record() or {}
        run.finish(record | {"classes": [PAYLOAD, "<i>c</i>"]}, synced=True)
    started(tmp_path, {"model.cell": "ok", "seed": 0}).fail(ValueError(PAYLOAD))
    baseline = {"name": PAYLOAD, "data": {}, "metrics": {"test/acc": 0.5}, "seconds": 1.0}
    write_sealed(tmp_path / "baselines.json", {"baselines": [baseline], "notes": [PAYLOAD]})
    SweepFile(["seqsweep", PAYLOAD], 0.0, {}).write(tmp_path)
    found = page(tmp_path)
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert PAYLOAD not in source
    assert found.text.count(PAYLOAD) >= 6
    ours = ("style", "class")
    assert all(set(ours) & set(attributes) for tag, attributes in found.elements if tag in "bi")
    figures = _figures(source)
    assert "<b>" not in json.dumps(figures)
    assert "&lt;b&gt;x&lt;/b&gt;" in json.dumps(figures)
    assert figures["confusion"]["layout"]["xaxis"]["ticktext"][1] == "&lt;i&gt;c&lt;/i&gt;"


def test_the_page_loads_nothing_from_the_network(tmp_path):
    """plotly's own source is excluded; the policy denies it the network."""
    folder = grid(tmp_path, [8, 32], [1], 2)
    found = page(folder)
    policy = next(a["content"] for _, a in found.elements if a.get("http-equiv"))
    assert policy and policy.startswith("default-src 'none'")
    links = [a.get(name) for _, a in found.elements for name in ("src", "href") if a.get(name)]
    assert all(link and not re.match(r"[a-z]+:|/", link) for link in links)
    source = re.sub(
        r"<script>/\*\*.*?</script>", "", (folder / "report.html").read_text(), flags=re.DOTALL
    )
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest|<link", source)


def test_csv_and_json_say_what_the_page_says(tmp_path):
    folder = grid(tmp_path, [8, 16, 32], [1, 2], 3)
    found = page(folder)
    rows = list(csv.DictReader((folder / "report.csv").read_text().splitlines()))
    configs = data(folder)["configs"]
    assert [row["rank"] for row in rows] == [str(config["rank"]) for config in configs]
    for row, config in zip(rows, configs, strict=True):
        stat = config["metrics"]["test/acc"]
        assert [float(row[f"test/acc{part}"]) for part in ("", " std", " low", " high")] == [
            stat[name] for name in ("mean", "std", "low", "high")
        ]
        assert row[SIZE] == str(config["keys"][SIZE])
        assert f"{stat['mean']:.4f}" in found.text
        assert f"{stat['low']:.3f} to {stat['high']:.3f}" in found.text
        assert row["verdict"] == config["difference"]["verdict"]
    answer = data(folder)["answer"]
    assert answer["best"] in found.text


def test_a_report_replaces_the_previous_one(tmp_path):
    folder = grid(tmp_path, [8], [1], 1)
    write_report(folder)
    grid(folder, [16], [1], 1)
    paths = write_report(folder)
    assert [path.name for path in paths] == ["report.html", "report.csv", "report.json"]
    assert len(data(folder)["configs"]) == 2
    assert not list(folder.glob(".*"))


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no runs in it"):
        write_report(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        write_report(tmp_path / "none")


def test_a_row_has_all_runs_of_its_config_with_the_way_to_them(tmp_path):
    folder = grid(tmp_path, [8, 32], [1], 2)
    best = {SIZE: 32, LAYERS: 1}
    started(folder, best | {"seed": 2}).fail(ValueError(f"no file {tmp_path}/7/a b.npz"))
    trained(folder, best | {"seed": 0}, val__acc=0.9, test__acc=0.8)  # repeats the first
    found = page(folder)
    config = data(folder)["configs"][0]
    runs = config["all_runs"]
    assert [(run["seed"], run["state"]) for run in runs] == [
        (0, "complete"), (0, "complete"), (1, "complete"), (2, "failed"),
    ]  # fmt: skip
    assert {run["run_id"] for run in runs if run["counted"]} == set(config["runs"])
    assert "complete, not counted: a newer run repeats it" in found.text
    assert "failed: ValueError: no file 7/a b.npz" in found.text
    hrefs = {attributes.get("href") for tag, attributes in found.elements if tag == "a"}
    names = {run.entry.folder.run_id: run.name.run for run in read_runs(folder).runs}
    for run in runs:
        assert (folder / run["folder"]).is_dir()
        assert {f"{run['folder']}/", f"{run['folder']}/config.yaml"} <= hrefs
        assert run["name"] == names[run["run_id"]]
        assert "test/acc" not in run["metrics"] or f"{run['metrics']['test/acc']:.4f}" in found.text
    assert runs[0]["command"] == f"seqsweep reproduce {runs[0]['folder']}"
    assert runs[3]["command"] is None
    assert {"report.csv", "report.json"} <= hrefs


def test_a_report_in_its_runs_own_folder_names_it_from_there(tmp_path):
    run = trained(tmp_path, {SIZE: 8, "seed": 0}, val__acc=0.9, test__acc=0.8)
    found = page(run.path)
    assert "seqsweep reproduce ." in found.text
    assert any(attributes.get("href") == "./config.yaml" for _, attributes in found.elements)


def test_a_report_has_no_path_of_the_machine_and_survives_a_move(tmp_path):
    folder = grid(tmp_path / "here", [8, 32], [1], 2)
    run = started(folder, {SIZE: 64, LAYERS: 1, "seed": 0})
    try:
        raise OSError(f"{folder.resolve()}/7/last.ckpt: cannot be read, nor '/home/me/my data.npz'")
    except OSError as error:
        run.fail(error)
    notes = {"baselines": [], "notes": [f"no file {tmp_path}/data.npz"]}
    write_sealed(folder / "baselines.json", notes)
    page(folder)
    moved = tmp_path / "there"
    folder.rename(moved)
    for name in ("report.html", "report.csv", "report.json"):
        text = re.sub(r"<script>/\*\*.*?</script>", "", (moved / name).read_text(), flags=re.DOTALL)
        assert "/home/me" not in text and str(tmp_path) not in text
        assert str(Path(__file__).parent) not in text
    (failure,) = data(moved)["failures"]
    assert failure["error"] == "OSError: 7/last.ckpt: cannot be read, nor '…/my data.npz'"
    assert f'File "…/{Path(__file__).name}", line' in failure["traceback"]
    assert all((moved / run["folder"]).is_dir() for run in data(moved)["configs"][0]["all_runs"])


def test_configs_are_called_by_one_name_everywhere(tmp_path):
    found = page(grid(tmp_path, [8, 32], [1, 2], 2))
    best = "hidden_size=32 num_layers=2"
    figures = _figures((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert data(tmp_path)["answer"]["best"] == data(tmp_path)["curves"][0]["label"] == best
    assert figures["seeds"]["layout"]["annotations"][0]["text"] == f"#1 {best}"
    assert best in json.dumps(figures["pareto-params"])
    assert any("hidden_size=8" in (a.get("title") or "") for _, a in found.elements)
    name = data(tmp_path)["configs"][0]["name"]
    assert name not in json.dumps(figures)


def test_rows_can_be_filtered_by_each_swept_key(tmp_path):
    found = page(grid(tmp_path, [8, 32, 16], [1, 2], 1))
    assert "hidden_size all 8 16 32 num_layers all 1 2 6 of 6 shown" in found.text
    values = [a["data-values"] for _, a in found.elements if "data-values" in a]
    assert values == ["2,1", "2,0", "1,1", "1,0", "0,1", "0,0"]


def test_the_page_holds_the_curves_of_the_first_runs_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(config_runs, "DRAWN_RUNS", 3)
    monkeypatch.setattr(row_view, "DRAWN_RUNS", 3)
    found = page(grid(tmp_path, [8, 32], [1], 2))
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    curves = json.loads(source.split('id="run-curves">')[1].split("</script>")[0])
    configs = data(tmp_path)["configs"]
    assert list(curves) == [*configs[0]["runs"], configs[1]["runs"][0]]
    assert curves[configs[0]["runs"][0]]["val/loss"] == [3.0, 1.5, 1.0]
    words = "Only 1 of these 2 runs are drawn: this page contains the curves of 3 runs"
    assert words in found.text


def test_the_page_states_split_sizes_and_overlaps_with_train(tmp_path):
    run = trained(tmp_path, {SIZE: 8, "seed": 0}, val__acc=0.9, test__acc=0.8)
    assert data_of_page(tmp_path)["splits"] == {}
    splits = {
        "train": {"sequences": 1216, "fingerprint": "a"},
        "val": {"sequences": 30, "fingerprint": "b", "also_in_train": 0},
        "test": {"sequences": 54, "fingerprint": "c", "also_in_train": 12},
    }
    run.finish((run.record() or {}) | {"splits": splits}, synced=True)
    text = page(tmp_path).text
    assert "1,216 training, 30 validation and 54 test sequences." in text
    words = "12 of 54 test sequences are also in train, so the test accuracy is optimistic."
    assert words in text
    assert data(tmp_path)["splits"] == splits
    assert data(tmp_path)["overlaps"] == [words]


def test_a_command_with_a_relative_data_path_says_where_to_run_it(tmp_path):
    config = {"data.source.path": "new.npz", SIZE: 8, "seed": 0}
    trained(tmp_path, config, val__acc=0.9)
    assert "new.npz is relative to the current folder" in commands(tmp_path)[-1][0]


def _figures(source: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', source)
    assert found
    return json.loads(html.unescape(found[1]) if "&#" in found[1] else found[1])


def test_a_better_config_with_few_seeds_is_reported(tmp_path):
    """Validation chose the first config; by the t-test the second differs and is better."""
    scores = {8: (0.50, 0.51, 0.52, 0.49, 0.50), 16: (0.70, 0.72, 0.71, 0.69, 0.70)}
    for size, each in scores.items():
        for seed, score in enumerate(each):
            trained(tmp_path, {SIZE: size, "seed": seed}, val__acc=1 / size, test__acc=score)
    found = page(tmp_path)
    assert (
        "5 seeds are too few for a signed-rank test. 2 configs need at least 6 seeds. By paired "
        "t-tests, 1 config differs from the first. 1 of those that differ is better, but ranked "
        "lower." in found.text
    )
    assert any(tag == "strong" for tag, _ in found.elements)


def test_an_existing_validation_split_is_not_called_missing(tmp_path):
    """The training split chose the config although there is a validation split."""
    for size in (8, 16):
        config = {SIZE: size, "seed": 0, "monitor": "train/acc"}
        trained(tmp_path, config, train__acc=size / 20, val__acc=size / 40)
    text = page(tmp_path).text
    assert "There is no validation split" not in text
    assert "optimistic" not in text
    assert "by training accuracy, not by any validation number." in text


def test_a_baseline_within_a_wide_interval_is_indistinguishable(tmp_path):
    """With two seeds, 0.94 and 0.98 are indistinguishable whatever the test split."""
    for seed, score in enumerate((0.97, 0.99)):
        trained(tmp_path, {SIZE: 8, "seed": seed}, val__acc=0.9, test__acc=score)
    for record in tmp_path.glob("*/record.json"):
        content = json.loads(record.read_text())
        counts = {"confusion": {"test": [[9800, 200], [200, 9800]]}}
        write_sealed(record, content | counts)
    made = {"name": "1-nearest neighbour", "metrics": {"test/acc": 0.94, "val/acc": 0.9}}
    write_sealed(tmp_path / "baselines.json", {"baselines": [made]})
    text = page(tmp_path).text
    assert "as good as" not in text
    assert (
        "1-nearest neighbour, test accuracy 0.940, statistically indistinguishable from the "
        "network (0.980) with 2 seeds." in text
    )


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [
        (0.99, "Better score, but not chosen by validation: 1-nearest neighbour 0.990."),
        (0.955, "Better score, but not chosen by validation: 1-nearest neighbour 0.955."),
        (0.94, "test accuracy 0.920, 0.030 below the network (0.950)."),
    ],
)
def test_a_baseline_above_the_networks_is_named(accuracy, words, tmp_path):
    """Validation chooses the baseline of the sentence, but a better one is named too."""
    run = trained(tmp_path, {SIZE: 8, "seed": 0}, val__acc=0.9, test__acc=0.95)
    counts = {"confusion": {"test": [[475, 25], [25, 475]]}}
    write_sealed(run.path / "record.json", (run.record() or {}) | counts)
    chosen = {"test/acc": 0.92, "val/acc": 0.92}
    other = {"test/acc": accuracy, "val/acc": 0.91}
    rows = [
        {"name": "logistic regression", "metrics": chosen},
        {"name": "1-nearest neighbour", "metrics": other},
    ]
    write_sealed(tmp_path / "baselines.json", {"baselines": rows})
    text = page(tmp_path).text
    assert words in text
    assert ("not chosen by validation:" in text) == (accuracy > 0.95)


def test_a_baseline_chosen_on_the_test_split_is_reported_as_such(tmp_path):
    trained(tmp_path, {SIZE: 8, "seed": 0}, test__acc=0.9)
    names = ("logistic regression", "1-nearest neighbour")
    rows = [{"name": name, "metrics": {"test/acc": 0.5}} for name in names]
    write_sealed(tmp_path / "baselines.json", {"baselines": rows})
    chosen = "It was chosen by test accuracy: baselines have no validation score here."
    assert chosen in page(tmp_path).text
    write_sealed(tmp_path / "baselines.json", {"baselines": rows[:1]})
    assert chosen not in page(tmp_path).text


def test_validation_chooses_the_baseline_for_f1_too(tmp_path):
    """Baselines have an accuracy on the validation split and no F1."""
    trained(tmp_path, {"monitor": "val/f1", "seed": 0}, val__f1=0.9, test__f1=0.9)
    rows = [
        {"name": "chosen", "metrics": {"val/acc": 0.6, "test/acc": 0.5, "test/f1": 0.5}},
        {"name": "lucky", "metrics": {"val/acc": 0.5, "test/acc": 0.6, "test/f1": 0.6}},
    ]
    write_sealed(tmp_path / "baselines.json", {"baselines": rows})
    assert (
        "Best baseline: chosen, test F1 0.500, 0.400 below the network (0.900)."
        in page(tmp_path).text
    )


def test_intervals_of_accuracies_end_at_one(tmp_path):
    for seed, score in enumerate((0.75, 0.95)):
        trained(tmp_path, {SIZE: 8, "seed": seed}, val__acc=0.9, test__acc=score)
    found = page(tmp_path)
    assert "95 % interval [0.000, 1.000] over 2 seeds" in found.text.replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert ", clipped to 0 and 1" in found.text
    assert "left: 0.00%; right: calc(100% - 100.00%)" in str(found.elements)
    assert data(tmp_path)["configs"][0]["metrics"]["test/acc"]["high"] > 2


def test_intervals_inside_the_bounds_are_not_called_clipped(tmp_path):
    assert "clipped" not in page(grid(tmp_path, [8, 32], [1], 3)).text


def test_seeds_that_are_not_shared_do_not_count(tmp_path):
    for size in (8, 16):
        for seed in range(10):
            trained(tmp_path, {SIZE: size, "seed": 10 * size + seed}, val__acc=size / 20)
    text = page(tmp_path).text
    assert "No seed is shared with the first config. 2 configs need at least 6 seeds." in text


def test_the_baselines_of_a_single_run_have_names(tmp_path):
    trained(tmp_path, {SIZE: 8, "seed": 0}, val__acc=0.9, test__acc=0.8)
    made = {"name": "logistic regression", "metrics": {"test/acc": 0.5, "val/acc": 0.5}}
    write_sealed(tmp_path / "baselines.json", {"baselines": [made]})
    source = (write_report(tmp_path)[0]).read_text(encoding="utf-8")
    foot = re.search(r"<tfoot>.*?</tfoot>", source, flags=re.DOTALL)
    assert foot and "logistic regression" in foot[0]
    cells = [re.findall(r"<(?:td|th)\b", part) for part in (source.split("</thead>")[0], foot[0])]
    assert len(cells[0]) == len(cells[1])


def test_the_page_counts_runs_repeated_by_a_newer_one(tmp_path):
    for _ in range(2):
        trained(tmp_path, {SIZE: 8, "seed": 0}, val__acc=0.9, test__acc=0.8)
    found = page(tmp_path)
    assert "1 run left out: a newer run has the same config, data and seed" in found.text
    assert "over 2 seeds" not in found.text
    assert data(tmp_path)["left_out"] == 1


@pytest.mark.parametrize("missing", [{}, dict.fromkeys(("params", "train_seconds", "best_epoch"))])
def test_a_record_that_lacks_what_a_run_costs_is_reported(missing, tmp_path):
    for size in (8, 16):
        config = {SIZE: size}
        run = started(tmp_path, config)
        run.finish({"config": config, "metrics": {"val/acc": size / 20}} | missing, synced=True)
    assert "Best on validation: hidden_size=16, validation accuracy 0.800." in page(tmp_path).text


def test_terminal_and_report_compare_the_same_metric(tmp_path):
    for size in (8, 16):
        metrics = {"val__f1": size / 20, "test__acc": 0.5, "test__f1": size / 30}
        trained(tmp_path, {"monitor": "val/f1", SIZE: size, "seed": 0}, **metrics)
    write_report(tmp_path)
    assert data(tmp_path)["score"] == leaderboard(read_folder(tmp_path)).compared == "test/f1"


def commands(folder: Path) -> list[list[str]]:
    write_report(folder)
    return data(folder)["commands"]


def test_the_command_names_the_runs_that_it_covers(tmp_path):
    for size in (8, 16, 32):
        trained(tmp_path, {SIZE: size, "seed": 0}, val__acc=0.5)
    assert [what for what, _ in commands(tmp_path)] == [
        "the best run again, compared bit by bit, from the folder of this report"
    ]
    configs: dict[str, dict[str, Any]] = {f"{n:016x}": {"seed": 0} for n in range(3)}
    last = dict(list(configs.items())[1:])
    for covered, words in (
        (configs, "the same runs again;"),
        (last, "2 of the 3 runs again, by the last command in this folder;"),
    ):
        SweepFile(["seqsweep", "train", "-m"], 0.0, covered).write(tmp_path)
        assert commands(tmp_path)[0][0].startswith(words)


def test_a_run_that_was_trained_alone_has_its_command(tmp_path):
    run = trained(tmp_path, {SIZE: 8, "seed": 0}, val__acc=0.5)
    assert commands(run.path)[0] == ["the same run again; a complete run is skipped",
                                     "seqsweep train"]  # fmt: skip


def test_foreign_classes_are_allowed_in_the_command(tmp_path):
    config = {"model._target_": "mine.Boom", "optimizer._target_": "seqsweep.training.adam"}
    trained(tmp_path, config, val__acc=0.5)
    assert commands(tmp_path)[-1][1].endswith(" --allow mine.Boom")


@pytest.mark.parametrize(
    ("monitor", "words"),
    [
        ("train/acc", "Best epoch and config chosen by training accuracy, not by any test number."),
        ("val/acc", "all numbers are of the last epoch, and training loss ranks the configs."),
    ],
)
def test_without_validation_the_epoch_that_was_used_is_named(monitor, words, tmp_path):
    for size in (8, 16):
        config = {"monitor": monitor, SIZE: size, "seed": 0}
        metrics = {"train__loss": 1 / size, "train__acc": size / 20, "test__acc": size / 20}
        trained(tmp_path, config, **metrics)
    found = page(tmp_path)
    assert words in found.text
    assert ("last epoch" in found.text) == (monitor == "val/acc")


def test_others_that_are_all_indistinguishable_are_counted(tmp_path):
    for size in (8, 16, 32):
        for seed in range(8):
            score = 0.8 + 0.01 * (seed + 1) * (-1) ** (seed + size // 16)
            trained(tmp_path, {SIZE: size, "seed": seed}, val__acc=size / 40, test__acc=score)
    assert ". 2 of 2 others are statistically indistinguishable." in page(tmp_path).text


def test_baselines_are_of_the_split_that_the_best_run_has(tmp_path):
    """The fingerprint covers all data; how they are split is a key."""
    for share, val in ((0.2, {"val__acc": 0.9}), (0.0, {})):
        config = {"data.val_fraction": share, "seed": 0}
        run = trained(tmp_path, config, test__acc=0.9, **val)
        run.finish((run.record() or {}) | {"data_fingerprint": "same"}, synced=True)
    rows = [
        {"data": {"data.val_fraction": share, "data.source.path": None},
         "data_fingerprint": "same", "name": "logistic regression",
         "metrics": {"test/acc": score, "val/acc": score}}
        for share, score in ((0.0, 0.8), (0.2, 0.5))
    ]  # fmt: skip
    write_sealed(tmp_path / "baselines.json", {"baselines": rows})
    found = page(tmp_path)
    words = "0.400 below the best network (0.900), on the data with val_fraction=0.2."
    assert words in found.text
    assert [b["label"] for b in data(tmp_path)["baselines"]] == [
        "val_fraction=0.0", "val_fraction=0.2",
    ]  # fmt: skip


def test_confounded_effects_are_named_and_have_no_share(tmp_path):
    for sizes, cells, rates in (((4, 8), "rg", (1, 2)), ((8, 16), "gl", (1, 4))):
        for size in sizes:
            for cell in cells:
                for rate in rates:
                    config = {SIZE: size, "model.cell": cell, "lr": rate, "seed": 0}
                    trained(tmp_path, config, val__acc=size / 40 + rate / 99)
    found = page(tmp_path)
    assert "the means are over all configs, and other keys may explain them" in found.text
    assert found.text.count("confounded with other keys") == 3
    assert "share of the variance between configs that" not in found.text
    assert "not a full grid: 15 of 27 combinations of its values have" in found.text


def test_a_folder_that_is_not_a_full_grid_is_reported(tmp_path):
    for number in range(5):
        config = {SIZE: 2**number, "lr": 1 / (number + 1), "seed": 0}
        trained(tmp_path, config | {"a": number % 3}, val__acc=number / 9)
    text = page(tmp_path).text
    assert "This folder is not a full grid: 5 of 15 combinations of its values have" in text


def test_an_effect_on_some_configs_states_their_number(tmp_path):
    for size, depth in ((8, 1), (8, 2), (16, 1), (16, 2), (32, 1)):
        trained(tmp_path, {SIZE: size, LAYERS: depth, "seed": 0}, val__acc=size / 40 + depth / 9)
    text = page(tmp_path).text
    assert ", on 4 of 5 configs" in text and "on 3 of 5 configs" in text


def test_a_config_whose_seeds_diverged_is_marked(tmp_path):
    grid(tmp_path, [8, 16], [1], 2)
    config = {"monitor": "val/acc", SIZE: 16, LAYERS: 1, "seed": 5}
    ended = started(tmp_path, config)
    ended.finish(
        {"status": "diverged", "error": "loss is infinite", "config": config, "metrics": {}}
    )
    found = page(tmp_path)
    assert "1 of 3 diverged" in found.text and "seeds lost" in found.text
    source = (tmp_path / "report.html").read_text(encoding="utf-8").split('<table id="board"')[1]
    head, body = source.split("</tr>", 2)[:2]
    assert head.count("<th ") == body.count("<td")
    rows = list(csv.DictReader((tmp_path / "report.csv").read_text().splitlines()))
    assert [row["lost"] for row in rows] == ["1 of 3 diverged", ""]


def test_negative_numbers_on_the_page_have_one_kind_of_minus(tmp_path):
    for size in (8, 16):
        for seed, loss in enumerate((0.1, 3.0)):
            config = {"monitor": "val/loss", SIZE: size, "seed": seed}
            trained(tmp_path, config, val__loss=loss + size / 100)
    assert not re.search(r"(?<![\w-])-\d", page(tmp_path).text)


def test_the_page_says_interrupted_once(tmp_path):
    started(tmp_path, {SIZE: 8}).interrupt(KeyboardInterrupt("interrupted by SIGINT"))
    assert "interrupted: by SIGINT" in page(tmp_path).text


@pytest.mark.slow
def test_a_report_with_intervals_is_written_without_numpy(tmp_path):
    """The import of numpy alone would take as long as the report of a small sweep."""
    grid(tmp_path, [8, 32], [1], 3)
    code = """
import sys
from pathlib import Path
from seqsweep.results.report.write import write_report
write_report(Path(sys.argv[1]))
print("numpy" in sys.modules)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
    (best, _) = data(tmp_path)["configs"]
    assert best["metrics"]["test/acc"]["low"] is not None

"""Folders of runs as training writes them, and the parsed page of their report."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from seqsweep.results.report.write import write_report
from seqsweep.runs.run_folder import RunFolder

HEADER = "epoch,step,lr,train/loss,train/acc,train/f1,train/grad_norm,val/loss,val/acc,val/f1"
SIZE, LAYERS = "model.hidden_size", "model.num_layers"


def started(folder: Path, config: dict[str, Any]) -> RunFolder:
    """Writes a run that has trained for three epochs; its run_id is its number."""
    run = RunFolder(folder / f"{len(list(folder.glob('*/config.yaml'))):016x}")
    run.start({"monitor": "val/acc", **config}, {"command": ["seqsweep", "train"]}, sync=False)
    rows = [f"{e},{e},0.1,{2 / (e + 1)},0.{e},0.{e},1,{3 / (e + 1)},0.{e},0.{e}" for e in range(3)]
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


def without_plotly(source: str) -> str:
    return re.sub(r"<script>/\*\*.*?</script>", "", source, flags=re.DOTALL)


def page(folder: Path) -> Page:
    """Writes and parses the page of a folder, without plotly's source."""
    path, *_ = write_report(folder)
    source = path.read_text(encoding="utf-8")
    found = Page(without_plotly(source))
    assert not re.search(r"\b(nan|NaN|inf|None|undefined)\b", found.text)
    return found


def data(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def figures_of(source: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', source)
    assert found
    return json.loads(html.unescape(found[1]) if "&#" in found[1] else found[1])

"""Sweeps with curves and confusions, and the parsed page of their report."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from made_sweeps import Configs, sweep_of

from seqsweep.results.report.write import write_report
from seqsweep.runs.run_folder import RunFolder

SIZE, LAYERS = "model.hidden_size", "model.num_layers"
HEADER = "epoch,step,lr,train/loss,train/acc,train/f1,train/grad_norm,val/loss,val/acc,val/f1"
ROWS = [[e, e, 0.1, 2 / (e + 1), e / 10, e / 10, 1, 3 / (e + 1), e / 10, e / 10] for e in range(3)]
RECORD: dict[str, Any] = {
    "best_epoch": 2, "params": lambda config: 100 * config.get(SIZE, 1), "classes": ["a", "b"],
    "train_seconds": lambda config: 0.5 * len(config), "confusion": {"test": [[9, 1], [2, 8]]},
}  # fmt: skip


def started(folder: Path, config: dict[str, Any]) -> RunFolder:
    """Writes a run that has trained for three epochs, after the runs of the folder."""
    sweep_of(folder, [config], metrics=lambda _: None, rows=lambda _: (HEADER, ROWS))
    return RunFolder(max(folder.glob("*/config.yaml")).parent)


def trained(
    folder: Path, configs: Configs, seeds: Any = None, metrics: Any = None, **record: Any
) -> Path:
    """Writes a sweep with curves and confusions; the arguments are those of `sweep_of`."""
    return sweep_of(folder, configs, seeds, metrics, lambda _: (HEADER, ROWS), **(RECORD | record))


def grid(folder: Path, sizes: list[int], layers: list[int], seeds: int) -> Path:
    """Writes a grid in which larger networks are better on validation and test."""

    def metrics(config: dict[str, Any]) -> dict[str, float]:
        score = 0.5 + config[SIZE] / 100 + config[LAYERS] / 50 + config["seed"] / 1000
        return {"train/loss": 0.5, "val/acc": score, "val/loss": 1 - score,
                "test/acc": score - 0.01, "test/f1": score - 0.02}  # fmt: skip

    return trained(folder, {SIZE: sizes, LAYERS: layers}, seeds, metrics)


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

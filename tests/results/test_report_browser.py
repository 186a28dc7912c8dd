"""The report in a browser, from disk and without a network: drawn, sorted, safe, narrow."""

from pathlib import Path
from typing import Any

import pytest

from seqsweep.results.report import write_report
from seqsweep.runs.record import RunFolder

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>"

ON_PAPER = """new Promise((done) => {
  const look = () => document.querySelector(".plot").layout.width ? done() : setTimeout(look, 20);
  look();
})"""
"""Waits without Playwright's own polling: its eval is what the page's policy forbids."""

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a sweep whose names are an attack, with two seeds and a failure."""
    folder = tmp_path_factory.mktemp("sweep")
    number = 0
    for cell in ("gru", ATTACK):
        for size in (8, 16, 32):
            for seed in (0, 1):
                config = {"model.cell": cell, "model.hidden_size": size, "seed": seed}
                write_run(folder / f"{number:016x}", config)
                number += 1
    failed = RunFolder(folder / "f")
    failed.refuse({"model.cell": ATTACK, "model.hidden_size": 64, "seed": 0}, ValueError(ATTACK))
    return write_report(folder)[0]


def write_run(path: Path, config: dict[str, Any]) -> None:
    run = RunFolder(path)
    run.start(config, {}, sync=False)
    rows = [f"{epoch},{1 / (epoch + 1)},{2 / (epoch + 1)},0.5,0.4" for epoch in range(9)]
    text = "\n".join(["epoch,train/loss,val/loss,train/acc,val/acc", *rows]) + "\n"
    (path / "metrics.csv").write_text(text)
    score = 0.5 + config["model.hidden_size"] / 100 + config["seed"] / 50
    metrics = {"val/acc": score, "test/acc": score - 0.1, "val/loss": 1 - score}
    run.finish(
        {"config": config, "metrics": metrics, "best_epoch": 5, "train_seconds": 1.0 + score,
         "params": config["model.hidden_size"] ** 2, "classes": [ATTACK, "<b>x</b>"],
         "confusion": {"test": [[9, 1], [2, 8]]}},
        synced=True,
    )  # fmt: skip


def opened(browser: Any, report: Path, **options: Any) -> tuple[Any, list[str]]:
    """The report in a context without a network, and what goes wrong there."""
    context = browser.new_context(offline=True, **options)
    page, wrong = context.new_page(), []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: request.url == report.as_uri() or wrong.append(request.url))
    page.goto(report.as_uri())
    page.wait_for_selector(".plot .main-svg")
    return page, wrong


def test_plots_are_drawn_and_nothing_runs_that_should_not(report, browser):
    page, wrong = opened(browser, report)
    places = page.locator(".plot").count()
    hidden = page.locator("[hidden] .plot").count()
    assert (hidden, page.locator(".plot:has(.main-svg)").count()) == (1, places - 1)
    page.get_by_role("button", name="accuracy", exact=True).click()
    assert page.locator("#curves-acc .main-svg").first.is_visible()
    assert (
        page.locator("#confusion .ytick text").first.text_content().startswith("<script>alert(1)")
    )
    assert page.locator("#confusion .ytick text").nth(1).text_content() == "<b>x</b>"
    assert page.locator("img").count() == 0
    assert ATTACK in page.inner_text("#failures")
    assert wrong == []


def test_a_click_or_a_key_sorts_the_table(report, browser):
    page, wrong = opened(browser, report)
    sizes = "#board tbody tr td:nth-child(3)"
    head = page.locator("#board th", has_text="hidden_size")
    page.locator("#board th button", has_text="hidden_size").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert page.locator(sizes).all_text_contents() == ["8", "8", "16", "16", "32", "32"]
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert page.locator(sizes).all_text_contents() == ["32", "32", "16", "16", "8", "8"]
    assert page.locator("#board th[aria-sort=ascending]").count() == 0
    assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_need_not_scroll_sideways(scheme, report, browser):
    size = {"width": 390, "height": 844}
    page, wrong = opened(browser, report, viewport=size, color_scheme=scheme, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 29)"}[scheme]
    line = page.locator("#effects path.js-line").first
    blue = {"light": "rgb(0, 114, 178)", "dark": "rgb(74, 163, 232)"}[scheme]
    assert line.evaluate("line => getComputedStyle(line).stroke") == blue
    assert wrong == []


def test_paper_is_light_and_no_plot_is_wider(report, browser):
    page, _ = opened(browser, report, color_scheme="dark", viewport={"width": 720, "height": 1000})
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate(ON_PAPER)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert (
        page.evaluate("document.querySelector('.plot').data[0].fillcolor") == "rgba(0,114,178,0.16)"
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 720

"""The report works in a browser, from disk, offline, on a phone and on paper."""

from pathlib import Path
from typing import Any

import made_search
import pytest
from report_pages import SIZE, started, trained

from seqsweep.extras.search.searchfile import Choice, Numbers, Trial
from seqsweep.results.report.write import write_report

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>"

FAULTS = """[...document.querySelectorAll(".plot:has(.main-svg)")]
  .flatMap((plot) => Plotly.validate(plot.data, plot.layout) || [])
  .filter((fault) => fault.code !== "unused").map((fault) => fault.msg)"""
"""The findings of plotly's own check of the figures; a marker of a line is unused."""

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a sweep with malicious names, two seeds and a failure."""
    folder = tmp_path_factory.mktemp("sweep")

    def metrics(config: dict[str, Any]) -> dict[str, float]:
        score = 0.5 + config[SIZE] / 100 + config["seed"] / 50
        return {"train/loss": 0.5, "val/acc": score, "test/acc": score - 0.1, "val/loss": 1 - score}

    sweep = {"model.cell": ("gru", ATTACK), SIZE: (8, 16, 32)}
    trained(folder, sweep, 2, metrics, classes=[ATTACK, "<b>x</b>"])
    started(folder, {"model.cell": ATTACK, SIZE: 64, "seed": 0}).fail(ValueError(ATTACK))
    return write_report(folder)[0]


def opened(browser: Any, report: Path, **options: Any) -> tuple[Any, list[str]]:
    """Opens the report in an offline context and collects its errors."""
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
    places = page.locator(".plot[data-figure]").count()
    hidden = page.locator("[hidden] .plot").count()
    drawn = page.locator(".plot:has(.main-svg)").count()  # those of rows are not: all are closed
    assert (hidden, drawn) == (1, places - 1)
    assert page.evaluate(FAULTS) == []
    page.get_by_role("button", name="accuracy", exact=True).click()
    assert page.locator("#curves-acc .main-svg").first.is_visible()
    assert page.locator("#confusion th[scope=row]").all_text_contents() == [ATTACK, "<b>x</b>"]
    assert page.locator("img").count() == 0
    assert ATTACK in page.inner_text("#failures")
    assert page.get_by_text("engine", exact=True).is_hidden()  # the environment is folded
    # A reader who cannot see a drawing hears its axes and names, and no drawing is without.
    names = [plot.get_attribute("aria-label") for plot in page.locator(".plot").all()]
    assert any(f"cell={ATTACK}" in name for name in names) and all(names)
    assert "loss against epoch: " in " ".join(names)
    assert wrong == []


def test_a_click_or_a_key_sorts_the_table_and_a_filter_hides_rows(report, browser):
    page, wrong = opened(browser, report)
    sizes = page.locator("#board > tbody:visible > tr:first-child > td:nth-child(3)")
    head = page.locator("#board th", has_text="hidden_size")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert sizes.all_text_contents() == ["8", "8", "16", "16", "32", "32"]
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert sizes.all_text_contents() == ["32", "32", "16", "16", "8", "8"]
    assert page.locator("#board th[aria-sort=ascending]").count() == 0
    shown = page.locator("#filters output")
    assert shown.text_content() == "6 of 6 shown"
    page.locator("#filters").get_by_label("hidden_size").select_option("16")
    assert sizes.all_text_contents() == ["16", "16"]
    page.locator("#filters").get_by_label("cell").select_option(ATTACK)
    assert (sizes.all_text_contents(), shown.text_content()) == (["16"], "1 of 6 shown")
    head.locator("button").click()
    assert sizes.all_text_contents() == ["16"]
    page.get_by_role("button", name="show all").click()
    page.locator("#board > tbody[hidden]").first.wait_for(state="detached")
    assert shown.text_content() == "6 of 6 shown"
    assert wrong == []


def test_a_row_opens_to_its_runs_and_moves_with_them(report, browser):
    page, wrong = opened(browser, report)
    config = page.locator("#board > tbody").nth(1)
    assert config.locator("tr.runs").is_hidden()
    config.locator("summary").focus()
    page.keyboard.press("Enter")
    assert config.locator("tr.runs").is_visible()
    assert page.locator("tr.runs:visible").count() == 1
    config.locator(".plot .main-svg").first.wait_for()
    assert config.locator(".plot:has(.main-svg)").count() == 2
    runs = config.locator("tr[data-run]")
    assert runs.count() == 2
    for run in runs.all():
        folder = run.locator("a").first.get_attribute("href")
        assert folder and (report.parent / folder / "record.json").is_file()
        assert run.locator("code").last.text_content() == f"seqsweep reproduce {folder[:-1]}"
    ids = [run.get_attribute("data-run") for run in runs.all()]
    page.locator("#board th button").first.click()  # by rank, the last first
    moved = page.locator("#board > tbody").nth(4)
    assert [run.get_attribute("data-run") for run in moved.locator("tr[data-run]").all()] == ids
    assert moved.locator("tr.runs").is_visible()
    moved.locator("td:nth-child(4)").first.click()
    assert moved.locator("tr.runs").is_hidden()
    assert wrong == []


def test_a_dark_phone_need_not_scroll_sideways_and_paper_is_light(report, browser):
    size = {"width": 390, "height": 844}
    page, wrong = opened(browser, report, viewport=size, color_scheme="dark", has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.get_by_text("Scroll the table sideways for more columns").is_visible()
    page.locator("details.opens summary").first.click()
    page.locator("tr.runs .plot .main-svg").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(".opened").first.bounding_box()["width"] <= 390
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(18, 23, 29)"
    turned = page.evaluate("getComputedStyle(document.querySelector('.plot')).filter")
    assert turned == "invert(1) hue-rotate(180deg)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('.plot')).filter") == "none"
    assert wrong == []


def test_the_plots_of_a_search_are_drawn_without_faults(tmp_path, browser):
    """A choice has a malicious name."""
    trials = made_search.write_values(tmp_path, [number / 12 for number in range(12)])
    trials = [Trial(t.number, {"a": ATTACK, "b": t.number + 1}, t.run_ids) for t in trials]
    space = {"a": Choice([ATTACK, "x"]), "b": Numbers(1, 700, log=True, integer=True)}
    made_search.write_search(tmp_path, trials, space=space)
    page, wrong = opened(browser, write_report(tmp_path)[0])
    assert page.locator("#search .plot:visible:has(.main-svg)").count() == 1
    page.locator("#search .switch button").nth(1).click()
    assert page.locator("#search-key-1 .main-svg").first.is_visible()
    assert page.locator("#search-key-0").is_hidden()
    assert page.evaluate(FAULTS) == []
    assert page.locator("img").count() == 0
    assert wrong == []

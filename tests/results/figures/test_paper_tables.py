"""The tables of a paper print the leaderboard's numbers, and escape every character."""

from pathlib import Path

from made_sweeps import sweep_of
from report_pages import grid

from seqsweep.results.across_sets import Method, table
from seqsweep.results.figures.paper_tables import as_latex, as_markdown, config_table, sets_table
from seqsweep.results.findings import Findings
from seqsweep.results.significance import Estimate
from seqsweep.runs.ledger import read_folder
from seqsweep.runs.metrics import OURS


def rows_of(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_configs_have_deviations_intervals_and_signs(tmp_path: Path, output_of):
    folder = grid(tmp_path, [8, 9, 32], [1], 9)
    # A config that is now better, now worse than the best.
    sweep_of(
        folder, {"model.hidden_size": [31], "model.num_layers": [1]}, 9,
        lambda c: {"val/acc": 0.8, "test/acc": 0.834 + (-1) ** c["seed"] * 0.01},
    )  # fmt: skip
    made = config_table(Findings(folder, read_folder(folder)))
    head, _, *rows = rows_of(as_markdown(made))
    assert head == ["hidden_size", "seeds", "test/acc", "95 % interval", "test/acc - best",
                    "adjusted p", "verdict", "val/acc", "parameters"]  # fmt: skip
    _, printed = output_of("leaderboard", str(folder))
    for row in rows:
        score = row[2].strip("*")
        assert score in printed and row[7] in printed
    assert [row[2].startswith("**") for row in rows] == [True, False, False, False]
    assert [row[6] for row in rows] == ["best", "≈ best", "differs", "differs"]
    assert rows[2][4].startswith("-") and float(rows[1][5]) > 0.05 > float(rows[2][5])
    assert any("statistically indistinguishable" in note for note in made.notes)
    assert f"{rows[0][0]} & 9 & \\textbf{{{rows[0][2].strip('*')}}}".replace("±", "$\\pm$") in (
        as_latex(made)
    )


def test_special_characters_are_escaped_in_each_language():
    names = [r"a_b&c%d#e$f{g}h~i^j\k|l", "[0.9,null]"]
    methods = [Method(name, {}, [Estimate(1, 0.5), Estimate(1, 0.6)]) for name in names]
    made = sets_table(table(OURS["test/acc"], ["one|set", "[two]"], methods))
    latex = as_latex(made)
    assert (
        r"a\_b\&c\%d\#e\$f\{g\}h\textasciitilde{}i\textasciicircum{}j\textbackslash{}k\textbar{}l"
    ) in latex
    # After a line break of LaTeX, a bracket would begin its argument.
    assert not any(line.lstrip().startswith("[") for line in latex.splitlines())
    assert "| one\\|set |" in as_markdown(made)


def test_the_best_methods_of_each_data_set_are_bold_and_ranks_follow():
    cells = {"a": [0.9, 0.5, 0.7], "b": [0.8, 0.5, None], "c": [0.1, 0.2, 0.3]}
    methods = [
        Method(name, {}, [None if v is None else Estimate(2, v, 0.01) for v in values])
        for name, values in cells.items()
    ]
    found = table(OURS["test/acc"], ["x", "y", "z"], methods)
    head, _, *rows = rows_of(as_markdown(sets_table(found)))
    assert head == ["data set", "a", "b", "c"]
    assert rows[:3] == [
        ["x", "**0.9000**", "0.8000", "0.1000"],
        ["y", "**0.5000**", "**0.5000**", "0.2000"],
        ["z", "**0.7000**", "", "0.3000"],
    ]
    assert rows[3] == ["mean rank", "1.25", "1.75", "3.00"]
    # Of a loss the lowest is the best.
    losses = table(OURS["test/loss"], ["x", "y", "z"], methods)
    assert rows_of(as_markdown(sets_table(losses)))[2][-1].startswith("0.9")


def test_many_methods_are_rows():
    values = [[Estimate(1, n / 20), Estimate(1, n / 30)] for n in range(12)]
    methods = [Method(f"m{n}", {}, list(cells)) for n, cells in enumerate(values)]
    made = sets_table(table(OURS["test/acc"], ["x", "y"], methods))
    assert made.head == ["config", "x", "y", "mean rank", "won/drawn/lost", "p"]
    assert [row[0] for row in made.rows][:2] == ["m11", "m10"] and made.bold == {(0, 1), (0, 2)}

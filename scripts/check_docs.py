"""Runs the commands of the pages, and compares what they print.

    python scripts/check_docs.py [--write] [README.md docs/data.md ...]

The pages are README.md, llms.txt, those of docs/, and its notebooks. With `--write`
a page gets the printed line in place of one that differs, and a notebook all its outputs; look at
what changed.

Each page gets an empty folder, in which its blocks run from top to bottom; two pages run at a time.
In a `console` block the lines after `$` run in a shell, and the lines shown below them must be
printed in this order; `...` stands for lines that are left out. Seconds and bytes may differ, and
decimals by a hundredth where the command trains or names runs of the engine `autograd`.
These comments, which a rendered page hides, stand above a block:

- `<!-- not run: REASON -->`: the block is left out; it needs a cluster or an hour, for example;
- `<!-- run -->`: a block of Python that runs, such as one that writes the files of the page;
- `<!-- file: PATH -->`: the block is the content of this file;
- `<!-- first: COMMAND -->`: this command runs before the block;
- `<!-- table: KEY SWEEP:KEY,KEY ... -->`: the block is a table of test accuracies, with a row for
  each value of the first key, and columns for the values of each sweep's other keys.

A notebook runs from top to bottom in a kernel, and its cells must print the stored lines.

RUN_FOLDER and RUN_ID stand for the newest run of the page; `scripts/` is the checkout's folder.
A shell's `seqsweep` is a fork of a process that has imported torch, as in tests/end_to_end; behind
another program, such as `timeout`, it is the installed program.
"""

import argparse
import copy
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import seqsweep

CHECKOUT = Path(__file__).parents[1]
SUPPORT = CHECKOUT / "tests" / "support"
sys.path.append(str(SUPPORT))

from commands import CommandServer  # noqa: E402

BLOCK = re.compile(
    r"(?:^<!-- ((?:(?!-->).)+) -->\n)?"
    r"^(?:```(\w+)\n(.*?)^```$|\|[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+))",
    re.MULTILINE | re.DOTALL,
)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
DECIMAL = re.compile(r"(\d*\.\d+)")

Difference = tuple[str, str, str]  # a complaint, the shown line, the printed line most like it

NOT_RUN = ("git", "make", "source", "pip", "uv", "seqsweep tensorboard", "seqsweep watch")
"""Commands that install something, or that do not end."""


class Block(NamedTuple):
    """A fenced block, or the rows of a table, with the comment above."""

    comment: str
    language: str
    text: str
    rows: str


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    pages = [CHECKOUT / "README.md", CHECKOUT / "llms.txt", *sorted(CHECKOUT.glob("docs/*.md"))]
    pages += sorted(CHECKOUT.glob("docs/notebooks/*.ipynb"))
    parser.add_argument("pages", nargs="*", type=Path, default=pages)
    parser.add_argument("--write", action="store_true", help="puts what is printed into the pages")
    options = parser.parse_args()
    # Commands and kernels find the installed programs.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ |= {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}

    def count_wrong(page: Path) -> int:
        if page.suffix == ".ipynb":
            return check_notebook(page, options.write)
        wrong = 0
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "scripts").symlink_to(CHECKOUT / "scripts")
            for complaint, shown, instead in check(text, folder, program):
                print(f"{page.name}: {complaint}", flush=True)
                wrong += 1
                if instead:
                    text = text.replace(f"\n{shown}\n", f"\n{instead}\n", 1)
        if options.write:
            page.write_text(text, encoding="utf-8")
        print(f"{page.name}: checked", flush=True)
        return wrong

    with tempfile.TemporaryDirectory() as served, CommandServer(Path(served)):
        client = (sys.executable, "-IS", SUPPORT / "command_client.py", Path(served, "server"))
        program = " ".join(map(str, client))
        pool = ThreadPoolExecutor(max_workers=2)
        wrong = sum(pool.map(count_wrong, options.pages))
    sys.exit(f"{wrong} lines or commands differ from their page" if wrong else None)


def check(page: str, folder: Path, program: str) -> Iterator[Difference]:
    """Runs the blocks of a page in a folder; yields what differs from the page.

    Args:
        program: the command that a shell runs for `seqsweep`.
    """
    shell = f'seqsweep() {{ {program} "$@"; }}\n'
    for block in map(Block._make, BLOCK.findall(page)):
        kind, _, value = block.comment.partition(": ")
        if kind == "file":
            path = folder / value
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            continue
        if kind == "first":
            yield from compare(shell, value, "", folder)
        if kind == "run":
            code, printed = run([sys.executable, "-c", block.text], folder)
            if code:
                yield f"a block of Python ended with exit code {code}\n{printed}", "", ""
        if kind == "table":
            yield from differ(value, block.rows, make_table(value, folder), 0)
        is_shell = block.language == "console" and kind not in ("run", "not run")
        for command, shown in COMMAND.findall(block.text) if is_shell else ():
            if not command.startswith(NOT_RUN):
                yield from compare(shell, command, shown, folder)


def check_notebook(page: Path, is_written: bool) -> int:
    """Runs a notebook in an empty folder; returns the number of different lines."""
    # Only `make durability` installs these.
    nbformat: Any = import_module("nbformat")
    nbclient: Any = import_module("nbclient")
    stored = nbformat.read(page, as_version=4)
    notebook = copy.deepcopy(stored)
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        client = nbclient.NotebookClient(notebook, timeout=600, resources=resources)
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as error:
            print(f"{page.name}: {error}", flush=True)
            return 1
        # The folder differs each time.
        text = nbformat.writes(notebook).replace(f"{os.path.realpath(folder)}/", "")
        notebook = nbformat.reads(text, as_version=4)
    for cell, old in zip(notebook.cells, stored.cells, strict=True):
        cell.metadata = old.metadata  # without the times of the run
        if cell.cell_type == "code":
            cell.outputs = merged(cell.outputs)
        title = f"{page.name}, cell {cell.id}"
        for complaint, *_ in differ(title, texts_of(old), texts_of(cell).splitlines(), 0):
            print(complaint, flush=True)
            wrong += 1
    if is_written:
        nbformat.write(notebook, page)
    print(f"{page.name}: checked", flush=True)
    return wrong


def merged(outputs: list[Any]) -> list[Any]:
    """Returns outputs whose printed parts are one, without colours and redrawn lines."""
    result = list[Any]()
    for output in outputs:
        if output.output_type != "stream":
            result.append(output)
        elif result and result[-1].output_type == "stream":
            result[-1].text += output.text
        else:
            result.append(output)
    for output in result:
        if output.output_type == "stream":
            lines = re.sub(r"\x1b\[[\d;]*m", "", output.text).replace("\r\n", "\n").split("\n")
            output.text = "\n".join(line.rpartition("\r")[2].rstrip() for line in lines)
    return result


def texts_of(cell: Any) -> str:
    """Returns what a cell has printed and shown, as texts."""
    outputs = cell.get("outputs", [])
    texts = (o["text"] if "text" in o else o["data"].get("text/plain", "") for o in outputs)
    # A thread prints the line of progress, so its place among the outputs is left to chance.
    return "\n".join(sorted("\n".join(texts).split("\n"), key=lambda line: line.startswith("[")))


def make_table(described: str, folder: Path) -> list[str]:
    """Returns the rows of a table that a comment describes."""
    rows, *sweeps = described.split()
    cells: dict[str, list[str]] = {}
    for sweep, _, keys in (each.partition(":") for each in sweeps):
        for path in folder.glob(sweep):  # nothing, if the sweep has failed
            runs = seqsweep.load_sweep(path)
            table = runs.pivot_table("test/acc", rows, keys.split(","), ["mean", "std"])
            for value in runs[rows].unique():
                pairs = zip(table.loc[value, "mean"], table.loc[value, "std"], strict=True)
                texts = (f"{mean:.3f} ± {std:.3f}".replace("0.", ".") for mean, std in pairs)
                cells.setdefault(str(value), []).extend(texts)
    return [f"| {' | '.join([value, *texts])} |" for value, texts in cells.items()]


def compare(shell: str, command: str, shown: str, folder: Path) -> Iterator[Difference]:
    """Runs a command after the lines `shell`; yields how its output differs from the page."""
    start, command = time.time_ns(), with_run(command, folder)
    code, printed = run(["bash", "-c", shell + command], folder)
    # A command shown with its output may fail, because pages also show error messages.
    if code and not shown.replace("...", "").strip():
        yield f"$ {command}\nexit code {code}\n{printed}", "", ""
    rounded = uses_autograd(command, folder, start)
    yield from differ(f"$ {command}", shown, printed.splitlines(), 0.01 if rounded else 0)


def differ(title: str, shown: str, lines: list[str], tolerance: float) -> Iterator[Difference]:
    """Yields the shown lines that are not printed in their order."""
    end = "\n".join(lines[-30:])
    for line in shown.splitlines():
        wanted = plain(line)
        if wanted in ("", "..."):
            continue
        found = [each for each in lines if agree(wanted, plain(each), tolerance)]
        if not found:
            words = {DECIMAL.sub("", plain(each)): each for each in reversed(lines)}
            near = difflib.get_close_matches(DECIMAL.sub("", wanted), words, 1)
            found = [words[each] for each in near] or [""]
            yield f"{title}\nexpected {wanted!r}\ngot\n{end}", line, found[0].rstrip()
        lines = lines[lines.index(found[0]) + 1 :] if found[0] in lines else lines


def uses_autograd(command: str, folder: Path, start: int) -> bool:
    """Returns whether autograd trains runs that a command names, or that began after `start`."""
    for path in folder.glob("outputs/*/*/*/provenance.json"):
        run_folder = path.parent.relative_to(folder)
        named = {str(run_folder), str(run_folder.parent)} & {*command.split()}
        concerned = named or path.stat().st_mtime_ns >= start
        if concerned and json.loads(path.read_text(encoding="utf-8"))["engine"] == "autograd":
            return True
    return False


def agree(shown: str, printed: str, tolerance: float) -> bool:
    """Returns whether two lines are equal, apart from decimals within a relative tolerance."""
    one, other = DECIMAL.split(shown), DECIMAL.split(printed)
    return one[::2] == other[::2] and all(
        a == b or abs(float(a) - float(b)) <= tolerance * float(a)
        for a, b in zip(one[1::2], other[1::2], strict=True)
    )


def run(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Returns the exit code and the output of a command that runs in a folder."""
    done = subprocess.run(
        arguments, cwd=folder, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout


def with_run(command: str, folder: Path) -> str:
    """Returns a command with the newest run of the page in place of its placeholders."""
    records = sorted(folder.glob("outputs/*/*/*/record.json"), key=lambda p: p.stat().st_mtime_ns)
    if records:
        run_folder = records[-1].parent
        command = command.replace("RUN_FOLDER", str(run_folder.relative_to(folder)))
        command = command.replace("RUN_ID", run_folder.name)
    return command


def plain(line: str) -> str:
    """Returns a line without its times, its bytes and its extra spaces.

    A time is a number before `s` or `min`, minutes and seconds, and the last cell of a table row,
    where the leaderboard has the seconds.
    """
    line = re.sub(r"\b\d[\d.,]* ?(s|min|ms|bytes)\b|\b\d+:\d\d\b", "TIME", line)
    line = re.sub(r"^( *≈? *\d+ {2,}.*?) +[\d.]+ *$", r"\1 TIME", line)
    return re.sub(r"[ ─━]+", " ", line).strip()


if __name__ == "__main__":
    main()

"""Runs the commands of the pages, and compares what they print.

    python scripts/check_docs.py [README.md docs/data.md ...]

The pages are README.md, llms.txt and those of docs/.

Each page gets an empty folder, in which its blocks run from top to bottom; two pages run at a time.
In a `console` block the lines after `$` run in a shell, and the first lines shown below them must
be printed in this order; `...` stands for lines that are left out. Seconds and bytes may differ.
These comments, which a rendered page hides, stand above a block:

- `<!-- not run: REASON -->`: the block is left out; it needs a cluster or an hour, for example;
- `<!-- run -->`: a block of Python that runs, such as one that writes the files of the page;
- `<!-- file: PATH -->`: the block is the content of this file;
- `<!-- first: COMMAND -->`: this command runs before the block.

RUN_FOLDER and RUN_ID stand for the newest run of the page; `scripts/` is the checkout's folder.

A shell's `seqsweep` is a fork of a process that has imported torch, as in tests/end_to_end; behind
another program, such as `timeout`, it is the installed program.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).parents[1]
SUPPORT = CHECKOUT / "tests" / "support"
sys.path.append(str(SUPPORT))

from commands import CommandServer  # noqa: E402

BLOCK = re.compile(
    r"(?:^<!-- ((?:(?!-->).)+) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
LINES = 5
"""The number of shown lines that are compared."""

NOT_RUN = ("git", "make", "source", "pip", "uv", "seqsweep tensorboard", "seqsweep watch")
"""Commands that install something, or that do not end."""


class Block(NamedTuple):
    """A fenced block of a page: the comment above it, its language, and its content."""

    comment: str
    language: str
    text: str


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    pages = [CHECKOUT / "README.md", CHECKOUT / "llms.txt", *sorted(CHECKOUT.glob("docs/*.md"))]
    parser.add_argument("pages", nargs="*", type=Path, default=pages)
    options = parser.parse_args()

    def count_wrong(page: Path) -> int:
        wrong = 0
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "scripts").symlink_to(CHECKOUT / "scripts")
            for complaint in check(page, folder, program):
                print(f"{page.name}: {complaint}", flush=True)
                wrong += 1
        print(f"{page.name}: checked", flush=True)
        return wrong

    with tempfile.TemporaryDirectory() as served, CommandServer(Path(served)):
        client = (sys.executable, "-IS", SUPPORT / "command_client.py", Path(served, "server"))
        program = " ".join(map(str, client))
        pool = ThreadPoolExecutor(max_workers=2)
        wrong = sum(pool.map(count_wrong, options.pages))
    sys.exit(f"{wrong} commands differ from their page" if wrong else None)


def check(page: Path, folder: Path, program: str) -> Iterator[str]:
    """Runs the blocks of a page in a folder; yields what differs from the page.

    Args:
        program: the command that a shell runs for `seqsweep`.
    """
    shell = f'seqsweep() {{ {program} "$@"; }}\n'
    for block in map(Block._make, BLOCK.findall(page.read_text(encoding="utf-8"))):
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
                yield f"a block of Python ended with exit code {code}\n{printed}"
        is_shell = block.language == "console" and kind not in ("run", "not run")
        for command, shown in COMMAND.findall(block.text) if is_shell else ():
            if not command.startswith(NOT_RUN):
                yield from compare(shell, command, shown, folder)


def compare(shell: str, command: str, shown: str, folder: Path) -> Iterator[str]:
    """Runs a command after the lines `shell`; yields how its output differs from the page."""
    code, printed = run(["bash", "-c", shell + with_run(command, folder)], folder)
    lines = [plain(line) for line in printed.splitlines()]
    wanted = [plain(line) for line in shown.splitlines() if line.strip() not in ("", "...")]
    end = "\n".join(printed.splitlines()[-30:])
    # A command shown with its output may fail, because pages also show error messages.
    if code and not wanted:
        yield f"$ {command}\nexit code {code}\n{end}"
    for line in wanted[:LINES]:
        if line not in lines:
            yield f"$ {command}\nexpected {line!r}\ngot\n{end}"
            return
        lines = lines[lines.index(line) + 1 :]


def run(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Returns the exit code and the output of a command that runs in a folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(
        arguments, cwd=folder, env=variables, text=True, check=False,
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

"""Other languages read an exported file, and compute the same numbers.

The programs are those of docs/using.md, or files that it names. Node.js runs ONNX Runtime for the
web, which is what a browser runs: WebAssembly.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch

import seqsweep
from seqsweep.cli import main

PAGE = Path(__file__).parents[3] / "docs" / "using.md"
SECTION, _, STEPS = (
    PAGE.read_text(encoding="utf-8")
    .partition("## The exported file")[2]
    .partition("## Step by step")
)
SCRIPTS = PAGE.parents[1] / "scripts"
WEB = "onnxruntime-web@1.30.0"
HEADER = Path("/usr/include/onnxruntime/onnxruntime_cxx_api.h")

pytestmark = pytest.mark.slow


def block(language: str, section: str = SECTION) -> str:
    match = re.search(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert match, f"no {language} in {PAGE}"
    return match[1]


def commands(section: str = SECTION) -> list[str]:
    return re.findall(r"^\$ (.*)$", section, re.MULTILINE)


def required(is_there: object, what: str) -> None:
    """CI has all runtimes; on another machine the test of a missing one is left out."""
    if not is_there:
        assert os.environ.get("CI") != "true", f"{what} is missing: see .ci/run"
        pytest.skip(f"{what} is not installed")


def run(folder: Path, *command: str) -> list[str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def vowels(tmp_path_factory) -> Path:
    """A folder with vowels.onnx and vowels-step.onnx, which the commands of the page have made."""
    folder = tmp_path_factory.mktemp("vowels")
    train, *exports = (line.split()[1:] for line in [*commands()[:2], *commands(STEPS)])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        record = seqsweep.train(seqsweep.compose(train[1:]))
        for export, section in zip(exports, (SECTION, STEPS), strict=True):
            words = [word.replace("RUN_ID", record["run_id"]) for word in export]
            assert Path(words[1]).resolve() == Path(record["folder"]).resolve()
            with redirect_stdout(StringIO()) as printed, pytest.raises(SystemExit) as ended:
                main(words)
            assert ended.value.code == 0
            line = re.compile(r"^vowels.*.onnx: .* classes", re.MULTILINE)
            assert line.findall(section) == line.findall(printed.getvalue())
    return folder


@pytest.fixture(scope="module")
def node(tmp_path_factory) -> Iterator[Path]:
    """A folder with ONNX Runtime for the web, which npm has installed."""
    required(shutil.which("node") and shutil.which("npm"), "Node.js with npm")
    folder = tmp_path_factory.mktemp("node")
    run(folder, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", WEB)
    yield folder
    shutil.rmtree(folder)  # 150 MB


@pytest.fixture
def expected(vowels) -> list[str]:
    """Returns the network's own outputs on the sequences of the section."""
    (folder,) = vowels.glob("outputs/runs/vowels/*")
    loaded = seqsweep.load_run(folder)
    x, lengths = loaded.prepare(np.full((2, 20, 12), 0.5, dtype=np.float32), [9, 20])
    with torch.inference_mode():
        rows = loaded.network(x, lengths).softmax(dim=1)
    return [f"{loaded.class_names[row.argmax()]} {row.max():.3f}" for row in rows]


def test_the_page_shows_what_its_python_program_prints(vowels, expected):
    assert run(vowels, sys.executable, "-c", block("python")) == expected
    assert block("text").splitlines() == expected


@pytest.mark.durability
def test_the_program_in_javascript_prints_the_same(vowels, node, expected):
    shutil.copy(vowels / "vowels.onnx", node)
    shutil.copy(SCRIPTS / "example_vowels.mjs", node)
    assert run(node, "node", "example_vowels.mjs") == expected


@pytest.mark.durability
def test_the_loop_over_steps_in_javascript_prints_the_same(vowels, node, expected):
    shutil.copy(vowels / "vowels-step.onnx", node)
    shutil.copy(SCRIPTS / "example_steps.mjs", node)
    lines = run(node, "node", "example_steps.mjs")
    assert len(lines) == 20
    assert [lines[8], lines[19]] == expected


@pytest.mark.durability
def test_the_program_in_cpp_prints_the_same(vowels, expected):
    required(HEADER.is_file() and shutil.which("c++"), "libonnxruntime-dev with a C++ compiler")
    compile_line, run_line = commands()[-2:]
    run(vowels, *compile_line.replace("scripts/", f"{SCRIPTS}/").split())
    names, *rows = run(vowels, *run_line.split())
    named = [re.sub(r"^\d+", lambda at: json.loads(names)[int(at[0])], row) for row in rows]
    assert named == expected
    assert SECTION.rstrip().endswith("\n".join([names, *rows, "```"]))

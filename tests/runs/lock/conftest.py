"""Fixtures for tests of locks: a run's folder, and programs in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from lock_programs import Start


@pytest.fixture
def start() -> Generator[Start]:
    """Starts a program with arguments as a process of its own; all are ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def run(program: str, *arguments: object) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "0123456789abcdef"
    folder.mkdir()
    return folder

"""Files of the test's folder, and a machine with little memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """`write("x,label\\n1,a\\n")`: the path of a file with this content."""

    def write(content: str | bytes, name: str = "my.csv") -> str:
        content = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    return write


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., str]:
    """`save(X=x, y=labels)`: the path of an .npz file with these arrays."""

    def save(name: str = "data.npz", **arrays: Any) -> str:
        np.savez(tmp_path / name, **arrays)
        return str(tmp_path / name)

    return save

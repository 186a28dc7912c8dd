"""Files of the test's folder."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """`write("x,label\\n1,a\\n")`: the path of a file with this content."""

    def write(content: str | bytes, name: str = "my.csv") -> str:
        content = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    return write

"""The garbage collector is off during the import of torch, and ignores its objects later."""

import subprocess
import sys

import pytest

CODE = """
import gc
{before}
from seqsweep.importing import without_collections
with without_collections():
    inside = gc.isenabled()
print(inside, gc.isenabled(), gc.get_freeze_count() > 0)
"""


@pytest.mark.parametrize(
    ("before", "seen"),
    [
        ("", "False True True"),
        ("import types, sys; sys.modules['torch'] = types.ModuleType('torch')", "True True False"),
        ("gc.disable()", "False False False"),
    ],
)
def test_only_the_first_import_of_torch_turns_the_garbage_collector_off(
    before: str, seen: str
) -> None:
    code = CODE.format(before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == seen

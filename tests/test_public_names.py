"""`import seqsweep` is fast, and both Python and type checkers find its names."""

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

import seqsweep

NAMES = [
    "RNNClassifier", "SimpleRNN", "MultiLayerRNN", "BiDirectionalRNN", "SequenceClassifier",
    "SequenceDataModule", "Sequences", "Splits", "make_sequences", "compose", "train", "sweep",
    "load_run", "load_ensemble", "load_board", "load_sweep", "load_curves", "compare_by",
    "ExactResume", "Cell",
]  # fmt: skip
PACKAGE = Path(seqsweep.__file__).parent


def test_the_public_names_of_the_package_are_these():
    assert sorted(seqsweep.__all__) == sorted([*NAMES, "__version__"])
    assert dir(seqsweep) == sorted(seqsweep.__all__)
    assert (PACKAGE / "py.typed").is_file()

    for name in NAMES:
        found = getattr(seqsweep, name)
        assert found.__name__ == name and found.__module__.startswith("seqsweep.")
        assert found.__doc__ and found.__doc__.splitlines()[0].endswith(".")
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        seqsweep.trian  # noqa: B018  # pyright: ignore
    assert seqsweep.__version__ == importlib.metadata.version("seqsweep")


@pytest.mark.durability
def test_a_type_checker_knows_each_name(tmp_path):
    lines = ["import seqsweep", *(f"reveal_type(seqsweep.{name})" for name in NAMES)]
    (tmp_path / "use.py").write_text("\n".join([*lines, "seqsweep.load_run(3)", ""]))
    command = ["-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "use.py"]
    done = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    revealed = [one["message"] for one in found if one["severity"] == "information"]
    errors = [one["message"] for one in found if one["severity"] == "error"]
    assert len(revealed) == len(NAMES)
    assert not [message for message in revealed if "Unknown" in message]
    assert len(errors) == 1 and '"folder"' in errors[0]  # the wrong type is seen

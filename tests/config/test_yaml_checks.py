"""A user's own YAML files are bounded before Hydra loads them."""

import os
from pathlib import Path

import pytest

from seqsweep.config.yaml_checks import check_config_files, check_yaml


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def laughs(levels: int) -> str:
    lines = ["x0: &x0 [a]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (laughs(9), "x.yaml:5: its aliases stand for more than 10,000 values"),
        ("a: &a [*a]\n", "x.yaml:1: the alias *a has no complete anchor"),
        ("a: 1\nb: " + "[" * 3000 + "]" * 3000, "x.yaml:2: is nested more than 50 levels deep"),
        ("a: 1\n# é\n".encode("latin-1"), "x.yaml:2: must be saved as UTF-8, found byte 0xe9"),
        (b"a" * (2**20 + 1), "x.yaml: must be at most 1 MiB"),
    ],
)
def test_a_file_without_bounds_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=r".") as refused:
        check_yaml(write(tmp_path, "x.yaml", text))
    assert str(refused.value).startswith(f"{tmp_path}/{message}")


def test_a_fifo_is_refused(tmp_path):
    os.mkfifo(tmp_path / "x.yaml")
    with pytest.raises(ValueError, match="must be a regular file"):
        check_yaml(tmp_path / "x.yaml")


@pytest.mark.parametrize("text", [laughs(4), "[" * 50 + "]" * 50, "a: [1\n", "", "é: ü"])
def test_other_files_are_left_to_hydra(tmp_path, text):
    check_yaml(write(tmp_path, "x.yaml", text))


@pytest.mark.parametrize(
    "files",
    [
        {"experiment/a.yaml": "defaults: [a]"},
        {"experiment/a.yaml": "defaults: [_self_, b]", "experiment/b.yaml": "defaults: [a]"},
        {"experiment/a.yaml": "defaults:\n  - /b: m", "b/m.yaml": "defaults: [/experiment/a]"},
    ],
)  # fmt: skip
def test_a_defaults_list_that_leads_back_is_refused(tmp_path, files):
    for name, text in files.items():
        write(tmp_path, name, text)
    with pytest.raises(ValueError, match="leads back to itself: experiment=a -> "):
        check_config_files(tmp_path, ["seed=1", "experiment=digits,a"])
    check_config_files(tmp_path, ["seed=1", "experiment=digits"])  # a is not loaded


def test_the_files_that_a_defaults_list_names_are_checked(tmp_path):
    write(tmp_path, "experiment/a.yaml", "defaults:\n  - override /data: mine\n  - _self_\n")
    write(tmp_path, "data/mine.yaml", laughs(9))
    with pytest.raises(ValueError, match=r"data/mine.yaml:5: its aliases"):
        check_config_files(tmp_path, ["+experiment='a'"])


def test_a_file_in_place_of_one_of_ours_is_checked(tmp_path):
    write(tmp_path, "optimizer/adam.yaml", laughs(9))
    with pytest.raises(ValueError, match=r"adam.yaml:5: its aliases"):
        check_config_files(tmp_path, [])

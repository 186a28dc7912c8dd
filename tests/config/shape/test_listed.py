"""Lists of members are read from the config, from YAML and from csv, with the place of errors."""

import re
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from seqsweep.config.shape.listed import read_list


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_csv_yaml_and_the_config_hold_the_same_members(tmp_path: Path) -> None:
    csv = 'model.cell,optimizer.lr,optimizer.betas\r\ngru,1e-3,"[0.9,0.99]"\r\n\r\nlstm,,\r\n'
    yaml = (
        "- {model.cell: gru, optimizer.lr: 1e-3, optimizer.betas: [0.9, 0.99]}\n"
        "\n- model:\n    cell: lstm\n"
    )
    rows = read_list(write(tmp_path, "m.csv", "\ufeff" + csv))
    items = read_list(write(tmp_path, "m.yaml", yaml))
    betas = {"optimizer.betas": [0.9, 0.99]}
    given = [{"model.cell": "gru", "optimizer.lr": 1e-3, **betas}, {"model": {"cell": "lstm"}}]
    parser = OverridesParser.create()
    values = [
        [
            {key: parser.parse_override(text).value() for key, text in member.overrides.items()}
            for member in members
        ]
        for members in (rows, items, read_list(given))
    ]
    expected = [{"model.cell": "gru", "optimizer.lr": 0.001, **betas}, {"model.cell": "lstm"}]
    assert values == [expected] * 3
    assert [member.place for member in rows] == [f"{tmp_path}/m.csv:2", f"{tmp_path}/m.csv:4"]
    assert [member.place for member in items] == [f"{tmp_path}/m.yaml:1", f"{tmp_path}/m.yaml:3"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.csv", "a,b\n1,2\n1\n", "m.csv:3: expected 2 cells, got 1"),
        ("m.csv", 'a,b\n1,"2,3"\n', "m.csv:2: b=2,3: must be one value; a list is written [1,2]"),
        ("m.csv", "a,~b\n1,2\n", "m.csv:2: ~b: must be a dotted key or a group"),
        ("m.yaml", "- a: 1\n- 3\n", "m.yaml:2: must be a mapping of keys to values, got 3"),
        ("m.yaml", "a: 1\n", "m.yaml: must hold a list of mappings"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path, name, text, message) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        read_list(write(tmp_path, name, text))
    assert "\n" not in str(refused.value)


def test_a_missing_file_and_one_that_is_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"a,b\n1,2\n1,\xff\n")
    with pytest.raises(ValueError, match=r"m.csv:3: must be saved as UTF-8"):
        read_list(f"{tmp_path}/m.csv")
    with pytest.raises(FileNotFoundError, match=r"no such file; did you mean 'm.csv'"):
        read_list(f"{tmp_path}/ms.csv")


@pytest.mark.parametrize("given", [3, [], [3]])
def test_a_list_in_the_config_must_hold_mappings(given) -> None:
    with pytest.raises(ValueError, match=r"^sweep.list"):
        read_list(given)

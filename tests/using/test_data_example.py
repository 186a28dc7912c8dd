"""`seqsweep data example` writes tables that the other commands read."""

from collections import Counter
from hashlib import sha256

FILES = {"gestures.csv": "b05229b0bb9926c5", "new.csv": "60a3cfe101e58a59"}


def digests(folder):
    """Returns the start of each file's hash."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in paths}


def test_it_writes_the_same_files_each_time(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command("data", "example")
    assert done.code == 0 and done.out.splitlines()[-1] == "seqsweep data info gestures.csv"
    files = digests(tmp_path)
    assert len(files) == 2 + 75
    assert {name: files[name][:16] for name in FILES} == FILES
    header, *rows = (tmp_path / "gestures.csv").read_text().splitlines()
    assert header == "id,time,x,y,label"
    labels = dict(row.split(",")[::4] for row in rows)
    assert Counter(labels.values()) == {"circle": 100, "line": 100, "zigzag": 100}
    assert command("data", "example", "gestures").code == 0
    assert digests(tmp_path) == files


def test_it_keeps_a_file_of_the_user(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.csv").write_text("mine\n")
    done = command("data", "example")
    assert done.code == 2 and "new.csv: is a file of yours" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]
    assert (tmp_path / "new.csv").read_text() == "mine\n"

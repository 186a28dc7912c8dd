"""A bundle is used in place of its run, holds no code, and is refused when it was changed."""

import hashlib
import io
import json
import re
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import seqsweep
import seqsweep.cli
from seqsweep.runs.documents import sealed
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.checkpoint_files import load_sealed, save_sealed
from seqsweep.using.bundle_file import read_bundle, write_bundle
from seqsweep.using.find_run import find_run

FIXTURES = [HealthCheck.function_scoped_fixture]  # the one file is written anew by each example
NEEDED = ["config.json", "weights.npz"]


@pytest.fixture(scope="session")
def bundle(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "small.zip"
    with pytest.raises(SystemExit) as ended:
        seqsweep.cli.main(["bundle", str(trained.sweep), "--out", str(path)])
    assert ended.value.code == 0
    return path


def files_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def npz(save, array, name="state_dict/weight"):
    buffer = io.BytesIO()
    save(buffer, **{name: array})
    return buffer.getvalue()


def test_a_bundle_predicts_what_its_run_predicts(command, trained, bundle, new_data):
    run = find_run(trained.sweep)[0]
    assert command("predict", bundle, new_data).out == command("predict", run, new_data).out
    one, other = seqsweep.load_run(bundle), seqsweep.load_run(run)
    assert one.config == other.config and one.epoch == other.epoch
    assert one.class_names == other.class_names == trained.classes
    assert one.channel_names == other.channel_names == trained.channels
    x, _, lengths = trained.test_data()
    inputs, expected = one.prepare(x, lengths), other.prepare(x, lengths)
    assert torch.equal(inputs.x, expected.x)  # the scaling keeps its bits
    assert torch.equal(one.network(*inputs), other.network(*expected))
    assert repr(one) == f"LoadedRun({bundle}: RNNClassifier, 2 channels, 3 classes)"


def test_a_bundle_holds_tensors_and_text(command, bundle, trained, tmp_path):
    files = files_of(bundle)
    assert set(files) - {"model.onnx"} == {*NEEDED, "README.txt", "provenance.json"}
    for name, data in files.items():
        if name.endswith((".json", ".txt")):
            data.decode()
    config = json.loads(files["config.json"])
    assert config["class_names"] == list(trained.classes)
    assert config["scaling"]["missing"] == "error"
    assert np.load(io.BytesIO(files["weights.npz"]))["scaling/mean"].shape == (2,)
    assert not any(b"pickle" in data or b"\x80\x04" in data[:2] for data in files.values())
    # The provenance names no path of the machine.
    content = json.loads(files["provenance.json"])
    assert content["data_files"] == {"path": "train.npz"}
    assert content["record"]["splits"]["test"]["sequences"] == 45
    assert content["training"]["engine"] == "native"
    # Equal runs give equal bytes.
    assert command("bundle", trained.sweep, "--out", "again.zip").code == 0
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_the_readme_has_the_facts(trained, bundle):
    text = files_of(bundle)["README.txt"].decode()
    record = RunFolder(find_run(trained.sweep)[0]).record()
    assert record is not None
    assert f"\ntest/acc: {record.metrics['test/acc']:.4f}\n" in text
    assert "best by val/acc of 4 complete runs" in text
    assert "sequences: 48 train, 12 val, 45 test\n" in text
    assert "classes: fall, rise, still\n" in text
    assert "data: seqsweep.data.readers.npz path=train.npz" in text
    assert "seqsweep predict bundle.zip new.npz --out predictions.csv\n" in text
    assert str(trained.folder) not in text


def test_names_cannot_become_links_html_or_control_characters(command, trained, tmp_path):
    """The text is often copied into a page of Markdown."""
    content = load_sealed(trained.run / "checkpoints" / "best.ckpt")
    names = ["x`<img src=a onerror=b>`y", "c`[click](javascript:d)`", "e\x1b[2Jf\u202eg\nscores: 1"]
    content["class_names"] = names
    content["channel_names"] = ["a_b", "*bold*"]
    save_sealed(content, tmp_path / "mine.ckpt")
    assert command("bundle", "mine.ckpt", "--out", "mine.zip").code == 0
    text = files_of(tmp_path / "mine.zip")["README.txt"].decode()
    assert r"x\`\<img src=a onerror=b\>\`y, c\`\[click\](javascript:d)\`, e\x1b\[2Jf\u202eg" in text
    assert r"channels: a_b, \*bold\*" in text
    assert "test/acc" not in text  # a checkpoint alone has no record
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]|^scores: 1", text, re.MULTILINE)
    assert seqsweep.load_run(tmp_path / "mine.zip").class_names == tuple(names)


def changed(path, target, name, data):
    write_bundle(target, files_of(path) | {name: data})
    return target


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_other_names_in_the_zip_are_refused(bundle, tmp_path):
    path = tmp_path / "a.zip"
    for name in ("../evil.txt", "/etc/evil", "..\\evil", "extra.pkl"):
        with pytest.raises(ValueError, match="is not a file of a bundle"):
            seqsweep.load_run(changed(bundle, path, name, b"evil"))
    path.write_bytes(bundle.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("weights.npz", b"{}")
    message = r"'weights.npz' is not a file of a bundle, or is in it tw"
    with pytest.raises(ValueError, match=message):
        seqsweep.load_run(path)


def test_a_bundle_that_could_grow_is_refused(bundle, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files_of(bundle).items():
            archive.writestr(name, b" " * 10_000_000 if name == "README.txt" else data)
    with pytest.raises(ValueError, match=r"bomb.zip: .* its files must not be compressed"):
        seqsweep.load_run(tmp_path / "bomb.zip")


@settings(max_examples=60, suppress_health_check=FIXTURES)
@given(data=st.data())
def test_a_damaged_bundle_is_refused_or_read_as_it_was(bundle, tmp_path, data):
    content = bytearray(bundle.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "damaged.zip"
    path.write_bytes(content)
    try:
        found = read_bundle(path)
    except ValueError:
        return
    expected = read_bundle(bundle)
    assert found["config"] == expected["config"] and found["epoch"] == expected["epoch"]
    weights = expected["state_dict"]
    assert all(torch.equal(found["state_dict"][name], weights[name]) for name in weights)


def test_a_config_that_is_none_is_refused(bundle, tmp_path):
    wrong = [b"[]", b'{"format": NaN, "digest": "x"}', b"[" * 100_000, b"\xff\xfe"]
    wrong += [json.dumps(sealed({"format": 3} | more)).encode() for more in ({}, {"epoch": 1})]
    for content in wrong:
        with pytest.raises(ValueError, match=r"a\.zip"):
            seqsweep.load_run(changed(bundle, tmp_path / "a.zip", "config.json", content))
    write_bundle(tmp_path / "a.zip", {"config.json": files_of(bundle)["config.json"]})
    with pytest.raises(ValueError, match=r"cannot be read as a bundle: .*no item named|damaged"):
        seqsweep.load_run(tmp_path / "a.zip")
    older = json.dumps(sealed({"format": 2, "seqsweep": "0.1"})).encode()
    with pytest.raises(ValueError, match=r"was made by seqsweep 0\.1, in .* make it again"):
        seqsweep.load_run(changed(bundle, tmp_path / "a.zip", "config.json", older))


@pytest.mark.parametrize(
    "content",
    [
        npz(np.savez, np.array([object()])),
        npz(np.savez_compressed, np.zeros(1 << 20)),
        npz(np.savez, np.zeros(3), "config/model"),
        npz(np.savez, np.zeros(3), "scaling/mean"),
    ],
)
def test_content_with_a_right_digest_is_still_checked(bundle, tmp_path, content):
    files = files_of(bundle) | {"weights.npz": content}
    config = json.loads(files["config.json"])
    config["weights.npz"] = hashlib.sha256(content).hexdigest()
    files["config.json"] = json.dumps(sealed(config)).encode()
    write_bundle(tmp_path / "a.zip", files)
    with pytest.raises(ValueError, match=r"a\.zip"):
        seqsweep.load_run(tmp_path / "a.zip")

"""A checkpoint with a right digest and wrong content is refused by its key, as is a bundle."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

import seqsweep
from seqsweep.training.checkpoint_files import load_sealed, save_sealed

Change = Callable[[dict[str, Any]], object]
MISSING = object()


def setting(key: str, value: Any) -> Change:
    """Returns what sets a key of a content, whose groups are joined by `/`, or deletes it."""

    def change(content: dict[str, Any]) -> None:
        *groups, name = key.split("/")
        for group in groups:
            content = content[group]
        content[name] = value
        if value is MISSING:
            del content[name]

    return change


def without(key: str) -> Change:
    return setting(key, MISSING)


def weights(change: Callable[[torch.Tensor], Any], name: str = "network.fc.weight") -> Change:
    def changed(content: dict[str, Any]) -> None:
        content["state_dict"][name] = change(content["state_dict"][name].clone())

    return changed


SHAPING = {"channel_names": ["a", "b"], "first": 0, "last": None, "downsample": 1, "masked": [],
           "frame": 1}  # fmt: skip
VOCABULARY = {"symbols": ["<pad>", "<unknown>", "a"], "tokens": "characters", "lower": False,
              "max_length": None, "min_count": 1, "max_symbols": None}  # fmt: skip
F64 = torch.float64

WRONG: list[tuple[str, Change]] = [
    ("holds no config", without("config")),
    ("config=5: must be", setting("config", 5)),
    ("model._target_=seqsweep.data.ts", setting("config/model/_target_", "seqsweep.data.ts.x")),
    ("model.hidden_size='8': must be", setting("config/model/hidden_size", "8")),
    ("model.hidden_size=1000000", setting("config/model/hidden_size", 10**6)),
    ("class_names.*differ.*'a'", setting("class_names", ["a", "b", "a"])),
    ("num_classes=0", setting("class_names", [])),
    ("channel_names|scaling.mean", setting("channel_names", ["a", "b", "c"])),
    ("scaling.missing='x': must be one of", setting("scaling/missing", "x")),
    ("scaling: .*mean and deviation", without("scaling/mean")),
    ("scaling.deviation: must be above 0", setting("scaling/deviation", torch.zeros(2, dtype=F64))),
    *[
        ("scaling.shaping", setting("scaling/shaping", SHAPING | {key: value}))
        for key, value in (
            ("frame", 10**9), ("first", -1), ("last", 0), ("masked", [7])
        )
    ],
    ("vocabulary.tokens", setting("vocabulary", VOCABULARY | {"tokens": "x"})),
    ("fc.weight: must be finite", weights(lambda w: w * torch.nan)),
    ("network.extra|extra", setting("state_dict/network.extra", torch.zeros(1))),
    ("fc.weight", without("state_dict/network.fc.weight")),
    ("holds no state_dict", without("state_dict")),
    ("fc.weight: must be float .*got str", setting("state_dict/network.fc.weight", "text")),
    ("fc.weight|hidden_size", weights(lambda w: w[:1, :1].expand(10**6, 10**6))),
    ("model.hidden_size=1000000", lambda content: (
        setting("config/model/hidden_size", 10**6)(content),
        weights(lambda w: w[:1, :1].expand(10**6, 10**6), "network.rnn.weight_hh_l0")(content),
    )),
]  # fmt: skip


@pytest.fixture(scope="session")
def whole(trained) -> dict[str, Any]:
    return load_sealed(trained.run / "checkpoints" / "best.ckpt")


@pytest.mark.parametrize(("message", "change"), WRONG)
def test_a_checkpoint_is_refused_by_its_key(whole, tmp_path, message, change) -> None:
    content = copy.deepcopy(whole)
    change(content)
    save_sealed(content, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match=rf"a\.ckpt: .*({message})") as refused:
        seqsweep.load_run(tmp_path / "a.ckpt")
    assert len(str(refused.value).splitlines()) == 1


def test_a_content_without_keys_is_refused_and_the_unchanged_one_is_read(whole, tmp_path) -> None:
    save_sealed(whole, tmp_path / "checkpoint.zip")
    assert seqsweep.load_run(tmp_path / "checkpoint.zip").epoch >= 0
    save_sealed(torch.zeros(3), tmp_path / "a.ckpt")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"a\.ckpt: must hold a group of keys, got Tensor"):
        seqsweep.load_run(tmp_path / "a.ckpt")

"""A signature read from the source equals the one that `inspect` sees, without the import."""

import inspect
import pkgutil
import re
import sys
import types
import typing
from typing import Any, Literal

import pytest

from seqsweep.config import CONF_DIR
from seqsweep.config.signatures import signature_of

TARGETS = sorted(
    {
        target
        for path in CONF_DIR.rglob("*.yaml")
        for target in re.findall(r"_target_: *(\S+)", path.read_text(encoding="utf-8"))
        if not target.startswith(("lightning.", "${"))  # defaults are read from the environment
    }
)
PLAIN = (Any, bool, float, int, str, dict, list, tuple, type[Any], type(None))


def of_fields(hint: Any) -> Any:
    """The types of a group's keys: two TypedDicts of equal fields are different classes."""
    options = typing.get_args(hint)
    if not any(map(typing.is_typeddict, options)):
        return hint
    return [typing.get_type_hints(o) if typing.is_typeddict(o) else o for o in options]


def is_plain(hint: Any) -> bool:
    """Made of the types that a config can hold, and nothing else."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return True
    if typing.is_typeddict(hint):
        return all(map(is_plain, typing.get_type_hints(hint).values()))
    if origin in (types.UnionType, typing.Union, list, tuple, dict):
        return all(map(is_plain, typing.get_args(hint)))
    return hint in PLAIN


@pytest.mark.parametrize("target", TARGETS)
def test_equals_inspect_for_every_target_of_conf(target):
    found = pkgutil.resolve_name(target)
    given = inspect.signature(found).parameters
    kinds = {name: parameter.kind for name, parameter in given.items()}
    is_open = inspect.Parameter.VAR_KEYWORD in kinds.values()
    expected = {name: p for name, p in given.items() if kinds[name] != p.VAR_KEYWORD}
    hints = typing.get_type_hints(found.__init__ if inspect.isclass(found) else found)
    signature = signature_of(target)
    assert list(signature.parameters) == list(expected)
    assert signature.open == is_open == (target == "seqsweep.training.trainer.build_trainer")
    for name, parameter in signature.parameters.items():
        assert parameter.required == (expected[name].default is inspect.Parameter.empty), name
        default = expected[name].default
        if default is not inspect.Parameter.empty:
            plain = list(default) if isinstance(default, tuple) else default
            assert parameter.default == plain, name
        annotation = of_fields(parameter.annotation)
        assert annotation == of_fields(hints[name] if is_plain(hints[name]) else Any), name


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module of a user's and gives its name."""

    def write(source: str) -> str:
        (tmp_path / "users_own.py").write_text(source, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)  # which also forgets earlier modules
        return "users_own"

    yield write
    sys.modules.pop("users_own", None)
    signature_of.cache_clear()


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("Child", "class Base:\n  def __init__(self, a: int, b: float = 1.0): ...\n"
                  "class Child(Base): ..."),
        ("Data", "from dataclasses import dataclass\n"
                 "@dataclass\nclass Data:\n  a: int\n  b: float = 1.0"),
        ("late", "from __future__ import annotations\ndef late(a: int, b: float = 1.0): ..."),
        ("named", "def _made(a: int, b: float = 1.0): ...\nnamed = _made"),
    ],
)  # fmt: skip
def test_a_users_module_in_any_style(module, name, source):
    parameters = signature_of(f"{module(source)}.{name}").parameters
    found = {key: (p.annotation, p.required) for key, p in parameters.items()}
    assert found == {"a": (int, True), "b": (float, False)}


def test_the_source_is_read_and_not_run(module):
    """An import would raise. A class of another package is imported."""
    name = module("raise RuntimeError\ndef f(a: int): ...")
    assert signature_of(f"{name}.f").parameters["a"].annotation is int
    assert name not in sys.modules
    parameters = signature_of("torch.nn.Linear").parameters
    assert (parameters["in_features"].annotation, parameters["in_features"].required) == (int, True)
    assert (parameters["bias"].annotation, parameters["bias"].required) == (bool, False)


def test_an_unknown_target_or_a_syntax_error_is_refused_by_name(module):
    broken = module("def f(:")
    for target, message in {
        "seqsweep.models.classifier.RNNClassifer": ".*did you mean.*RNNClassifier",
        "nowhere.at.All": ".*nowhere.at",
        "": "",
        f"{broken}.f": f": importing '{broken}' fails: SyntaxErr",
    }.items():
        with pytest.raises(ValueError, match=f"_target_={re.escape(target)}{message}"):
            signature_of(target)

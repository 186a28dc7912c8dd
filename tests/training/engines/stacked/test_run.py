"""Runs trained in a stack are the runs that they are alone, in results and in their folders."""

import csv
import functools
import json
import signal
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from seqsweep.models.classifier import RNNClassifier
from seqsweep.runs.lock import Locked, RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training import resume
from seqsweep.training.checkpoints import load_sealed, save_sealed
from seqsweep.training.engines.joint.member import TrainingMember
from seqsweep.training.engines.protocol import Ended
from seqsweep.training.engines.stacked.run import StackEngine
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train, train_stack

MEMBERS = (
    ("seed=0",),
    ("seed=1", "optimizer.lr=0.05"),
    ("seed=2", "trainer.gradient_clip_val=null", "optimizer.weight_decay=0.01"),
    ("seed=3", "loss.label_smoothing=0.1", "optimizer.betas=[0.8,0.99]"),
)

Plan = Callable[..., list[PlannedRun]]
ResultOf = Callable[[Path], dict[str, Any]]


@pytest.fixture
def planned(members_of: Plan) -> Plan:
    """The members of a stack, each with these arguments more."""
    return functools.partial(members_of, members=MEMBERS)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_close(stacked: Path, alone: Path, tolerance: float = 2e-5) -> None:
    one, other = rows(stacked), rows(alone)
    assert [row["epoch"] for row in one] == [row["epoch"] for row in other]
    for a, b in zip(one, other, strict=True):
        for name in ("train/loss", "val/loss", "train/grad_norm", "lr"):
            assert bool(a[name]) == bool(b[name]), name
            if a[name]:
                assert float(a[name]) == pytest.approx(float(b[name]), abs=tolerance), name
    first, second = (RunFolder(folder).record() or {} for folder in (stacked, alone))
    assert first.keys() == second.keys()
    for name in ("status", "run_id", "best_epoch", "epochs", "steps", "params", "num_train"):
        assert first.get(name) == second.get(name), name
    for name in ("best.ckpt", "last.ckpt"):
        a, b = (load_sealed(folder / "checkpoints" / name) for folder in (stacked, alone))
        assert a["epoch"] == b["epoch"]
        for key, value in b["state_dict"].items():
            assert torch.allclose(a["state_dict"][key], value, atol=tolerance * 10), key


VARIANTS: dict[str, tuple[str, ...]] = {
    "rnn": ("model.num_layers=2", "model.dropout=0.3", "model.bidirectional=true"),
    "gru": ("model.cell=gru", "model.pooling=mean", "scheduler=cosine"),
    "lstm": ("model.cell=lstm", "scheduler=plateau", "scheduler.patience=0"),
    "early": ("callbacks=early_stopping", "callbacks.early_stopping.patience=1", "optimizer=adamw",
              "monitor=val/loss", "trainer.max_epochs=12"),
    "sgd": ("optimizer=sgd", "optimizer.nesterov=true", "loss.class_weights=balanced"),
    "seldom validated": ("trainer.check_val_every_n_epoch=2", "optimizer=rmsprop",
                         "optimizer.lr=0.003"),
    "never validated": ("data.val_fraction=0", "monitor=train/loss", "data.test_fraction=0"),
    "augmented": ("data.transform.frame=2", "data.transform.jitter=0.3",
                  "data.transform.time_mask=1", "model.bidirectional=true"),
}  # fmt: skip


def of(name: str) -> tuple[tuple[str, ...], Sequence[tuple[str, ...]]]:
    """The overrides of a variant, and its members: without what its optimizer does not have."""
    members = MEMBERS
    if name in ("sgd", "seldom validated"):  # no betas; and steps that float32 can follow
        slow = ("betas", "optimizer.lr")
        members = [tuple(o for o in own if not any(s in o for s in slow)) for own in MEMBERS]
    return VARIANTS[name], members


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", VARIANTS)
def test_stacked_is_what_autograd_makes_of_each_alone(
    planned: Plan,
    tmp_path: Path,
    name: str,
) -> None:
    overrides, own = of(name)
    members = planned(*overrides, members=own)
    outcomes = train_stack(members, tmp_path / "stacked")
    for member, outcome in zip(members, outcomes, strict=True):
        assert isinstance(outcome, Outcome), outcome
        alone = train(member, tmp_path / "alone", engine="autograd")
        assert_close(outcome.folder.path, alone.folder.path)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["rnn", "early", "augmented"])
def test_a_stacked_run_does_not_depend_on_its_company(
    planned: Plan, tmp_path: Path, name: str
) -> None:
    overrides, own = of(name)
    members = planned(*overrides, members=own)
    train_stack(members, tmp_path / "all")
    for member in members:
        train_stack([member], tmp_path / "alone")
        assert_close(tmp_path / "all" / member.run_id, tmp_path / "alone" / member.run_id)


def test_a_stacked_run_leaves_the_files_of_a_single_one(planned: Plan, tmp_path: Path) -> None:
    members = planned()
    train_stack(members, tmp_path / "stacked")
    train_stack(members[:1], tmp_path / "alone")
    names = [
        sorted(
            "events" if path.name.startswith("events") else path.name
            for path in (tmp_path / how / members[0].run_id).rglob("*")
        )
        for how in ("stacked", "alone")
    ]
    assert names[0] == names[1]
    assert not list((tmp_path / "stacked" / ".stacks").iterdir())
    origin = json.loads((tmp_path / "stacked" / members[1].run_id / "provenance.json").read_text())
    assert origin["engine"] == "stacked"
    assert origin["stack"]["members"] == [member.run_id for member in members]


def test_checkpoints_load_into_the_plain_network(planned: Plan, tmp_path: Path) -> None:
    members = planned("model.bidirectional=true")
    train_stack(members, tmp_path)
    for member in members:
        network = RNNClassifier(3, 5, 3, bidirectional=True)
        for name in ("best", "last"):
            path = tmp_path / member.run_id / "checkpoints" / f"{name}.ckpt"
            weights = torch.load(path, weights_only=True)["state_dict"]
            network.load_state_dict({k.removeprefix("network."): w for k, w in weights.items()})


HOOKS = [
    ("on_fit_start", 1), ("on_train_epoch_start", 1), ("on_train_epoch_start", 3),
    ("on_train_batch_end", 1), ("on_train_batch_end", 5), ("on_train_epoch_end", 1),
    ("on_train_epoch_end", 4), ("on_train_end", 1), ("on_fit_end", 1), ("teardown", 1),
]  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, result_of: ResultOf
) -> Callable[[str, list[PlannedRun]], list[dict[str, Any]]]:
    """The results of the members of a variant left alone; each variant is trained once."""
    results: dict[str, list[dict[str, Any]]] = {}

    def call(name: str, members: list[PlannedRun]) -> list[dict[str, Any]]:
        if name not in results:
            root = tmp_path_factory.mktemp("left alone")
            train_stack(members, root)
            results[name] = [result_of(root / member.run_id) for member in members]
        return results[name]

    return call


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rnn", "early", "lstm", "augmented"])
@pytest.mark.parametrize(("hook", "n"), HOOKS, ids=[f"{hook} {n}" for hook, n in HOOKS])
def test_a_killed_stack_equals_the_uninterrupted_one(
    planned: Plan,
    tmp_path: Path,
    name: str,
    hook: str,
    n: int,
    at: Any,
    killed: type[BaseException],
    undisturbed: Callable[[str, list[PlannedRun]], list[dict[str, Any]]],
    result_of: ResultOf,
) -> None:
    overrides, own = of(name)
    members = planned(*overrides, members=own)
    with pytest.raises(killed):
        train_stack(members, tmp_path / "killed", at(hook, n))
    outcomes = train_stack(members, tmp_path / "killed")
    assert all(isinstance(outcome, Outcome) for outcome in outcomes), outcomes
    for member, expected in zip(members, undisturbed(name, members), strict=True):
        assert result_of(tmp_path / "killed" / member.run_id) == expected
    assert not list((tmp_path / "killed" / ".stacks").iterdir())


def test_members_of_a_killed_stack_resume_in_another_company(
    planned: Plan,
    tmp_path: Path,
    at: Any,
    killed: type[BaseException],
) -> None:
    """Its first member alone, the others together, none of them from the start."""
    members = planned(*VARIANTS["rnn"])
    train_stack(members, tmp_path / "left alone")
    with pytest.raises(killed):
        train_stack(members, tmp_path / "killed", at("on_train_epoch_end", 4))
    train_stack(members[:1], tmp_path / "killed")
    train_stack(members[1:], tmp_path / "killed")
    for member in members:
        one, other = (tmp_path / how / member.run_id for how in ("killed", "left alone"))
        assert_close(one, other)
        log = (one / "train.log").read_text()
        epochs = [line.split("INFO epoch ")[1].split()[0] for line in log.splitlines()
                  if "INFO epoch " in line]  # fmt: skip
        assert epochs == [str(epoch) for epoch in range(5)]
    assert not list((tmp_path / "killed" / ".stacks").iterdir())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("*.ckpt", {"run_ids": 5}),
        ("*.ckpt", {}),
        ("*.ckpt", {"run_ids": [], "members": [], "weights": torch.zeros(2)}),
        ("*.json", 5),
        ("*.json", {"a": 1}),
    ],
)
def test_a_stack_file_of_other_content_counts_as_missing(
    planned: Plan,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: Any,
    at: Any,
    killed: type[BaseException],
    result_of: ResultOf,
) -> None:
    """Its digest is right. The runs begin again, with the same results, and the file is named."""
    members = planned("trainer.max_epochs=2", members=MEMBERS[:2])
    train_stack(members, tmp_path / "left alone")
    with pytest.raises(killed):
        train_stack(members, tmp_path / "killed", at("on_train_epoch_end", 2))
    stacks = tmp_path / "killed/.stacks"
    for path in [*stacks.glob(name), *stacks.glob(f"*.previous{name[1:]}")]:
        if name == "*.json":
            path.write_text(json.dumps(content))
        else:
            keep = (
                {"run_ids": [member.run_id for member in members]} if "members" in content else {}
            )
            save_sealed(content | keep, path)
    outcomes = train_stack(members, tmp_path / "killed")
    assert all(isinstance(outcome, Outcome) for outcome in outcomes), outcomes
    for member in members:
        one, other = (tmp_path / how / member.run_id for how in ("killed", "left alone"))
        assert result_of(one) == result_of(other)
    assert str(stacks) in capsys.readouterr().err


@pytest.mark.parametrize("stack", [5, "x", {"size": 2}, {"members": 5}, {"members": [5]}])
def test_a_stack_in_provenance_of_other_content_counts_as_missing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    stack: Any,
) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.start({}, {"stack": stack})
    assert folder.company() is None
    assert str(folder.path / "provenance.json") in capsys.readouterr().err


def test_a_damaged_stack_resumes_from_the_checkpoint_before(
    planned: Plan,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    at: Any,
    killed: type[BaseException],
    result_of: ResultOf,
) -> None:
    members = planned()
    train_stack(members, tmp_path / "left alone")
    with pytest.raises(killed):
        train_stack(members, tmp_path / "killed", at("on_train_epoch_end", 4))
    (names,) = (tmp_path / "killed/.stacks").glob("*.json")
    last = names.with_suffix(".ckpt")
    last.write_bytes(last.read_bytes()[:-1])
    train_stack(members, tmp_path / "killed")
    assert "is damaged" in capsys.readouterr().err
    for member in members:
        one, other = (tmp_path / how / member.run_id for how in ("killed", "left alone"))
        assert result_of(one) == result_of(other)


def test_a_member_that_diverges_does_so_alone(planned: Plan, tmp_path: Path) -> None:
    wild = ("seed=5", "optimizer.lr=1000", "trainer.gradient_clip_val=null")
    relu = ("model.nonlinearity=relu", "optimizer=sgd", "optimizer.momentum=0")
    members = planned(*relu, members=[("seed=0",), wild, ("seed=1",)])
    outcomes = train_stack(members, tmp_path / "stacked")
    states = [o.record["status"] for o in outcomes if isinstance(o, Outcome)]
    assert states == ["complete", "diverged", "complete"]
    alone = train(members[1], tmp_path / "alone", engine="autograd")
    assert outcomes[1].record == alone.record  # pyright: ignore[reportAttributeAccessIssue]
    for member in (members[0], members[2]):
        train_stack([member], tmp_path / "alone")
        assert_close(tmp_path / "stacked" / member.run_id, tmp_path / "alone" / member.run_id)


def test_a_run_of_another_process_is_left_to_it(planned: Plan, tmp_path: Path) -> None:
    members = planned()
    train_stack(members[2:3], tmp_path)
    with RunLock(tmp_path / members[1].run_id):
        outcomes = train_stack(members, tmp_path)
    assert isinstance(outcomes[1], Locked)
    assert [getattr(o, "trained", None) for o in outcomes] == [True, None, False, True]


def test_a_folder_that_cannot_be_written_fails_its_run_alone(planned: Plan, tmp_path: Path) -> None:
    members = planned()
    (tmp_path / members[1].run_id).mkdir()
    (tmp_path / members[1].run_id / "metrics.csv").mkdir()  # no file can be written there
    (tmp_path / members[1].run_id / "metrics.csv" / "keep").touch()
    outcomes = train_stack(members, tmp_path)
    assert [isinstance(outcome, Outcome) for outcome in outcomes] == [True, False, True, True]
    assert stat.S_ISDIR((tmp_path / members[1].run_id / "metrics.csv").stat().st_mode)


def test_a_stack_that_fails_as_a_whole_trains_its_runs_alone(
    planned: Plan,
    tmp_path: Path,
    at: Any,
) -> None:
    members = planned()
    outcomes = train_stack(members, tmp_path, at("on_train_epoch_end", 2, RuntimeError))
    assert all(isinstance(outcome, Outcome) for outcome in outcomes), outcomes
    log = (tmp_path / members[0].run_id / "train.log").read_text()
    assert "the runs trained together failed" in log


def test_a_longer_stacked_run_begins_where_a_shorter_one_ended(
    planned: Plan,
    tmp_path: Path,
    result_of: ResultOf,
) -> None:
    short, long = planned(), planned("trainer.max_epochs=9")
    train_stack(long, tmp_path / "at once")
    train_stack(short, tmp_path / "extended")
    resume._finished_runs.cache_clear()
    train_stack(long, tmp_path / "extended")
    for member in long:
        folder = tmp_path / "extended" / member.run_id
        assert result_of(folder) == result_of(tmp_path / "at once" / member.run_id)
        assert "INFO epoch 4 " not in (folder / "train.log").read_text()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_last_record_is_not_lost(
    planned: Plan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    signum: signal.Signals,
) -> None:
    """Nothing of this stack is left to stop, but a sweep has more to do."""

    def record(self: StackEngine, ended: Sequence[Ended[TrainingMember]]) -> None:
        self.ends.record(ended)
        signal.raise_signal(signum)

    monkeypatch.setattr(StackEngine, "record", record)
    members = planned("trainer.max_epochs=1", members=MEMBERS[:2])
    outcomes = train_stack(members, tmp_path)
    assert [outcome.signum for outcome in outcomes if isinstance(outcome, Outcome)] == [signum] * 2

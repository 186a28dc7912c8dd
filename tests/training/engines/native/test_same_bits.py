"""A run's bits depend on its config alone: not on other runs, order, threads or processors."""

import json
import os
import subprocess
import sys

import pytest
from equal_runs import count_equal_runs

from seqsweep.native import library
from seqsweep.training.planned_run import Outcome, plan
from seqsweep.training.train import train_pool

OLD_PROCESSOR = {
    "ATEN_CPU_CAPABILITY": "default",  # torch's code for processors without AVX2
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA",  # that of the C library
}
RUN = (
    "data=frequencies", "data.source={num_train:40,num_val:20,num_test:20,length:12}",
    "data.transform={jitter:0.1,time_mask:2}", "data.batch_size=16", "model.hidden_size=33",
    "model.num_layers=2", "model.dropout=0.3", "scheduler=cosine", "trainer=cpu",
    "trainer.max_epochs=3",
)  # fmt: skip
OWN = [
    (f"model.cell={cell}", f"model.recurrent_init={init}")
    for cell in ("rnn", "gru", "lstm")
    for init in ("uniform", "orthogonal")
] + [(f"model.cell={cell}",) for cell in ("indrnn", "mingru", "minlstm", "lru")]
CODE = """
import json, sys
from pathlib import Path
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train_pool
train_pool([plan(config) for config in json.load(sys.stdin)], Path(sys.argv[1]), 1)
"""


def test_a_member_alone_equals_the_member_in_a_pool(mixed_members, assert_undisturbed, tmp_path):
    for threads, step in ((1, 1), (2, -1)):
        outcomes = train_pool(mixed_members[::step], tmp_path / str(threads), threads)
        ended = [outcome.record["status"] for outcome in outcomes if isinstance(outcome, Outcome)]
        assert ended[::step] == ["complete"] * 7 + ["diverged"]
        assert_undisturbed(mixed_members, tmp_path / str(threads))


def test_a_pool_without_shuffling_keeps_the_order_of_the_data(members_of, tmp_path):
    members = members_of("data.shuffle=false", members=[("seed=0",), ("+data.seed=5",)])
    one, other = train_pool(members, tmp_path, 1)
    assert isinstance(one, Outcome)
    assert isinstance(other, Outcome)
    assert one.record["metrics"] == other.record["metrics"]  # the same run but for its order


@pytest.mark.durability
@pytest.mark.sampled(1)
@pytest.mark.parametrize("variant", library.runnable_variants()[1:])
def test_each_variant_gives_the_same_weights_and_metrics(variant, checked, tmp_path):
    """Each variable is read when a process starts, so another process trains the same runs.

    The portable variant runs as on a processor without AVX2 and FMA.
    """
    here, there = tmp_path / "here", tmp_path / "there"
    configs = [checked(*RUN, *own) for own in OWN]
    train_pool([plan(config) for config in configs], here, 1)
    variables = {"SEQSWEEP_NATIVE": variant} | (OLD_PROCESSOR if variant == "portable" else {})
    subprocess.run(
        [sys.executable, "-c", CODE, there],
        env=os.environ | variables, input=json.dumps(configs), text=True, check=True,
    )  # fmt: skip
    assert count_equal_runs(here, there) == len(OWN)

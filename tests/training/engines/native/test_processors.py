"""A run has the same bits on a processor without AVX2 and FMA."""

import json
import os
import subprocess
import sys

from equal_runs import count_equal_runs

from seqsweep.training.planned_run import plan
from seqsweep.training.train import train_pool

OLD_PROCESSOR = {
    "ATEN_CPU_CAPABILITY": "default",  # torch's code for processors without AVX2
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA",  # that of the C library
    "SEQSWEEP_NATIVE": "portable",
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
]
CODE = """
import json, sys
from pathlib import Path
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train_pool
train_pool([plan(config) for config in json.load(sys.stdin)], Path(sys.argv[1]), 1)
"""


def test_a_processor_without_avx2_and_fma_gives_the_same_weights_and_metrics(checked, tmp_path):
    """Each variable is read when a process starts, so another process trains the same runs."""
    here, there = tmp_path / "here", tmp_path / "there"
    configs = [checked(*RUN, *own) for own in OWN]
    train_pool([plan(config) for config in configs], here, 1)
    subprocess.run(
        [sys.executable, "-c", CODE, there],
        env=os.environ | OLD_PROCESSOR, input=json.dumps(configs), text=True, check=True,
    )  # fmt: skip
    assert count_equal_runs(here, there) == len(OWN)

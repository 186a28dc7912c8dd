"""Wrong input gives exit code 2 and one message with the given and a right value."""

import shlex
import sys

import pytest
from foreign_tables import TABLES

from seqsweep.config.signatures import signature_of


@pytest.mark.sampled(24)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train model.hiden_size=3", "model.hiden_size: no such key in model; did you mean 'hid"),
        ("train output_dir=/dev/null/x", "Not a directory; output_dir=FOLDER chooses"),
        ("train trainer.val_check_interval=0", "trainer.val_check_interval=0: must be above 0"),
        ("train trainer.max_steps=0", "trainer.max_steps=0: must be at least 1"),
        ("train trainer.log_every_n_steps=-1", "log_every_n_steps=-1: must be at least 0"),
        ("train '+callbacks.x={_target_: gc.collect}'",
         "callbacks.x._target_=gc.collect: must make a Callback of Lightning, got int"),
        ("train sweep.retries=1000000000", "sweep.retries=1000000000: must be at most 100"),
        ("train hydra/launcher=slurm", "without -m, hydra/launcher=slurm has no effect; add -m: "),
        ("train hydra.launcher.threads=2", "without -m, hydra.launcher.threads=2 has no effect"),
        ("train --package=foo", "--package=foo: needs --cfg"),
        ("train 'name=a\nb'", "name=a\\nb: has a character that must be quoted"),
        ("data info 'a\nb.csv'", "no file a\\nb.csv (current folder"),
        ("data info digits data.val_fraction=7", "data.val_fraction=7.0: must be at least 0 and b"),
        ("train hydra.job.chdir=true", "hydra.job.chdir=true: must be false"),
        ("train model.cell=mingru model.nonlinearity=relu", "nonlinearity='relu' with cell="),
        ("train model.cell=lru model.recurrent_init=orthogonal", "of ours: rnn, gru, lstm"),
        ("train model.cell=minlstm model.forget_bias=1", "forget_bias=1.0 with cell='minlstm'"),
        ("train optimizer.lr=0", "optimizer.lr=0.0: must be above 0"),
        ("train model.input_size=3", "model.input_size=3, but the data have 6 features per step"),
        ("train trainer.devices=64", "trainer.devices=64: must be 1 to"),
        ("train loss.class_weights=[1,2]", "loss.class_weights=[1.0, 2.0]: must be balanced, or 4"),
        ("train data=random data.source.num_sequences=200000000000", "GiB of memory"),
        ("train data=digits data.val_fraction=0 callbacks=early_stopping",
         "callbacks.early_stopping.monitor='val/acc': must be one of train/acc, train/f1"),
        ("train scheduler=cosine scheduler.warmup_epochs=99", "scheduler.warmup_epochs=99"),
        ("train model._target_=torch.nn.Linearr", "model._target_=torch.nn.Linearr: no 'Linearr'"),
        ("train model._target_=builtins.dict", "_target_=builtins.dict: must make a torch.nn.Mod"),
        ("train model.hidden_size=[1", "hidden_size=[1: has quotes or brackets that do not match"),
        ("train sweep=architecture", "sweep=architecture: is a sweep; add -m: "),
        ("train --yes seed=0", "--yes: needs -m, because nothing is asked before a single run"),
        ("train model=simple model.num_layers=2", "model=bidirectional, model=multilayer, model="),
        ("train -m model.hidden_size=1,x", "model.hidden_size='x': must be a whole number"),
        ("train -m output_dir=p9,p10", "output_dir=p9,p10: a sweep has one output_dir"),
        ("train -m hydra/sweeper=basic seed=0,1 sweep.sample=1", "sweep.sample: must be null, bec"),
        ("train -m seed=0,1 hydra.launcher.threads=9999", "threads=9999: must be at most "),
        ("train -m seed=0,1 hydra.launcher.processes=65", "processes=65: must be 1 to 64, or auto"),
        ("train -m seed=0,1 hydra.launcher.processes=2 rerun=true",
         "rerun=true: must be false if workers train the sweep"),
        ("train -m hydra/sweeper=basic seed=0,1 hydra.launcher.processes=2",
         "hydra.launcher.processes=2: needs a sweeper of seqsweep, without hydra.callbacks"),
        ("train -m optimizer.lr=interval(0,1)", "an interval has no finite grid"),
        ("train -m data=japanese_vowels sweep=cross_validation",
         "data.folds=5: must be null, because the data have a test split"),
        ("train -m hydra/sweeper=optuna seed=0", "a search needs a space"),
        ("train -m hydra/sweeper=optuna model.hidden_size=4,8 hydra.sweeper.budget.trails=3",
         "did you mean 'trials'"),
        ("train -m hydra/sweeper=optuna model.hidden_size=int(interval(9,3))",
         "the first number must be below the second"),
        ("train -sc query=bash", "query=SHELL: needs the variable COMP_LINE, which the shell sets"),
        ("trian", "no command 'trian'; did you mean 'train'?"),
        ("status nowhere", "nowhere: no such folder"),
        ("status 'a\x1b[2Jb'", "a\\x1b[2Jb: no such folder"),
        ("work .", ".: no sweep.json of this version in it; `seqsweep train -m ... --plan-only`"),
        ("work . --idel 5m", "--idel: no such option of seqsweep work; did you mean '--idle'?"),
        ("work . --stop-after soon", "--stop-after=soon: must be a time, such as 90s, 55m or 2h"),
        ("work . --threads 100000", "--threads=100000: must be at most "),
        ("evaluate . --resamples 99999999999", "--resamples=99999999999: must be at most 100000"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_before_anything_is_written(refused, arguments, message):
    assert message in refused(*shlex.split(arguments))


@pytest.mark.slow
def test_a_refused_table_is_read_with_what_the_message_proposes(refused, seqsweep, tmp_path):
    (tmp_path / "messung.csv").write_bytes(TABLES["messung.csv"])
    arguments = ["plan", "data=csv", "data.source.path=messung.csv"]
    done = seqsweep(*arguments)
    for _ in range(2):
        meant = shlex.split(done.err.partition("did you mean: ")[2])
        done = done if done.code == 0 else seqsweep(*meant[meant.index("seqsweep") + 1 :])
    assert done.code == 0, done.err
    (tmp_path / "my.csv").write_text("case,time,x,label\na,0,1,up\na,1,two,up\n")
    message = "my.csv:3: column 'x': 'two' is not a number"
    assert message in refused("train", "data=csv", "data.source.path=my.csv")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("encoding=foo", "data.source.encoding=foo: must be an encoding that Python knows"),
        ("skip_rows=99999999999", "data.source.skip_rows=99999999999: t.csv has 4 lines"),
        ("label=nosuch", f"columns: id, {'x' * 197}..., label"),
        ("label=label", "t.csv: a row has more than 8 MB; is a quote or comma missing?"),
    ],
)
def test_a_table_that_cannot_be_read_costs_one_short_line(refused, tmp_path, options, message):
    value = "b" * (20 << 20 if options == "label=label" else 1)
    rows = (f"id,{'x' * 20_000},label", f"1,2,{value}", "1,3,a", "2,4,a")
    (tmp_path / "t.csv").write_text("".join(f"{row}\n" for row in rows))
    line = refused("train", "data=csv", "data.source.path=t.csv", f"data.source.{options}")
    assert message in line and len(line) < 1000


def test_a_module_without_training_step_is_refused(refused, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lit.py").write_text("import lightning\nclass M(lightning.LightningModule): ...\n")
    (tmp_path / "conf/model").mkdir(parents=True)
    for name, target in (("m", "lit.M"), ("n", "lit.Nope")):
        (tmp_path / f"conf/model/{name}.yaml").write_text(f"_target_: {target}\n")
    words, m = ("train", "--config-dir", "conf", "data=digits"), ("model=m", "optimizer=adam")
    assert "model._target_=lit.M: has no training_step" in refused(*words, *m)
    assert "model._target_=lit.Nope: no 'Nope' in lit; known: M" in refused(*words, "model=n")


def test_a_gpu_is_refused_on_a_machine_without_one(refused, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "trainer.accelerator=gpu: no GPU is visible to torch" in refused("train", "trainer=gpu")


def test_an_error_in_a_users_experiment_names_file_and_line(refused, tmp_path):
    experiment = tmp_path / "mine" / "experiment" / "small.yaml"
    experiment.parent.mkdir(parents=True)
    command = ("train", "--config-dir", "mine", "experiment=small")
    for key, message in (("hidden_sise: 3", "did you mean 'hidden_size'"), ("hidden_size: 0", "1")):
        experiment.write_text(f"# @package _global_\nname: small\nmodel:\n  {key}\n")
        said = refused(*command)
        assert message in said
        assert said.endswith(f"(in {experiment}:4)")
    experiment.write_text("defaults: [small]\n")
    nested = "the config is nested too deeply, or a defaults list leads back to itself"
    assert refused(*command) == nested


@pytest.mark.slow
@pytest.mark.parametrize("typed", ["train", "train -m seed=1,2", "plan seed=1,2"])
@pytest.mark.parametrize(
    ("group", "text", "reason"),
    [
        ("model", "import sys; sys.exit(0)", "SystemExit: 0"),
        ("model", "import pytorch_lightning.metrics", "module named 'lightning.pytorch.metrics'"),
        ("data", "1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_code_that_fails_is_named_first(refused, tmp_path, monkeypatch, typed, group, text, reason):
    (tmp_path / "own.py").write_text(f"import torch\n{text}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own", raising=False)
    signature_of.cache_clear()
    file = tmp_path / "mine" / group / "own.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("_target_: own.Net\n")
    given = ["--config-dir", "mine", f"{group}=own", "monitor=val_loss", "monitor_mode=min"]
    said = refused(*typed.split(), *given)
    assert said.startswith(f"{group}._target_=own.Net: importing 'own' fails: ")
    assert said.endswith(f"{reason} ({tmp_path}/own.py:2) (in {file}:1)")


@pytest.fixture
def programs(tmp_path_factory, monkeypatch):
    """A folder that is all of PATH, with an `sbatch` that must not be called."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "sbatch").write_text("#!/bin/sh\nexit 9\n")
    (folder / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


CALLBACK = "+hydra.callbacks.log._target_=hydra.experimental.callbacks.LogJobReturnCallback"


@pytest.mark.parametrize(
    ("launcher", "override", "message"),
    [
        ("slurm", "hydra.launcher.count=0", "hydra.launcher.count=0: must be at least 1"),
        ("slurm", "hydra.launcher.time=90m", "hydra.launcher.time=90m: must be minutes, [D-]HH:M"),
        ("slurm", "hydra.launcher.memory=4X", "hydra.launcher.memory=4X: must be a number with K"),
        ("slurm", "hydra.launcher.tiem=3", "hydra.launcher.tiem: no such key in hydra.launcher; "),
        ("slurm", "hydra.launcher.options=3", "hydra.launcher.options=3: must be a mapping"),
        ("slurm", CALLBACK, "hydra/launcher=slurm: trains runs of seqsweep, without hydra.call"),
        ("slurm", "hydra/sweeper=basic", "hydra/launcher=slurm: needs a sweeper of seqsweep"),
        ("local", "--detach", "--detach: needs a launcher whose workers outlive the command, su"),
        ("basic", "--start", "--start: needs a launcher that starts workers, such as hydra/launc"),
    ],
)
def test_wrong_input_of_a_launcher_is_refused(refused, programs, launcher, override, message):
    sweep = ("train", "-m", "data=digits", "seed=0,1", "sweep.name=x")
    text = refused(*sweep, f"hydra/launcher={launcher}", override)
    assert text.startswith(message) and "hydra_plugins" not in text


def test_a_machine_without_slurm_is_named(refused, programs):
    (programs / "sbatch").unlink()
    assert refused("train", "-m", "hydra/launcher=slurm", "data=digits", "seed=0,1") == (
        "hydra/launcher=slurm: no `sbatch` in PATH; run the command on a machine that submits jobs "
        "to Slurm"
    )

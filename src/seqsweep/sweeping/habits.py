"""Finds the seqsweep command for words that a user knows from other tools.

Nothing is guessed silently: the command is refused, and the message shows the right command.
"""

import contextlib
import re
import shlex
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from seqsweep.command import quoted_value
from seqsweep.config import CONF_DIR
from seqsweep.config.from_overrides import takes_value
from seqsweep.config.messages import has_several_values, quoted
from seqsweep.config.own_cell import our_cells
from seqsweep.data.files import config_of

_COMMANDS = {
    **dict.fromkeys(("fit", "run", "start"), ("train",)),
    **dict.fromkeys(("sweep", "multirun", "search"), ("train", "-m")),
    **dict.fromkeys(("test", "eval", "validate", "score"), ("evaluate", "RUN")),
    "agent": ("work", "FOLDER"),
}
"""Maps the commands of other tools to ours."""

_FULL = (
    "optimizer.lr", "optimizer.weight_decay", "trainer.max_epochs", "trainer.gradient_clip_val",
    "trainer.accelerator", "trainer.devices", "trainer.precision", "data.batch_size",
    "trainer.limit_train_batches", "trainer.limit_val_batches", "trainer.limit_test_batches",
    "trainer.fast_dev_run", "trainer.max_time", "optimizer.momentum",
    "data.source.path", "data.source.pattern", "data.folds", "data.val_fraction",
    "data.test_fraction", "data.standardize", "model.hidden_size", "model.num_layers", "model.cell",
    "model.bidirectional", "model.dropout", "model.pooling", "loss.class_weights",
    "loss.label_smoothing", "callbacks.early_stopping.patience", "data.num_workers",
)  # fmt: skip
"""The full keys that the message shows if a command has only their last part."""

_KEYS = {
    **{key.rpartition(".")[2]: key for key in _FULL},
    **dict.fromkeys(("learning_rate", "optimizer.learning_rate"), "optimizer.lr"),
    **dict.fromkeys(("epochs", "num_epochs", "n_epochs", "max_epoch"), "trainer.max_epochs"),
    "clip": "trainer.gradient_clip_val",
    "device": "trainer.accelerator",
    **dict.fromkeys(("file", "data.path"), "data.source.path"),
    **dict.fromkeys(("hidden", "hidden_dim", "units"), "model.hidden_size"),
    **dict.fromkeys(("layers", "n_layers", "num_layer"), "model.num_layers"),
    **dict.fromkeys(("rnn_type", "model.type"), "model.cell"),
    **dict.fromkeys(("model_checkpoint", "callbacks.model_checkpoint"), "callbacks.checkpoint"),
    **dict.fromkeys(("seed_everything", "random_state", "random_seed"), "seed"),
    **dict.fromkeys(("n_trials", "hydra.sweeper.n_trials"), "hydra.sweeper.budget.trials"),
    "budget": "hydra.sweeper.budget",
    "optimized_metric": "monitor",
    "task_name": "name",
    "datamodule": "data",
    "paths.output_dir": "output_dir",
}
"""Maps keys of other tools, and keys without their section, to ours."""

_VALUES = {
    "trainer.accelerator": {"cuda": "gpu"},
    "trainer.precision": {"16": "16-mixed", "bf16": "bf16-mixed", "64-true": "32"},
    "monitor": {f"test/{name}": f"val/{name}" for name in ("loss", "acc", "f1")},
}
"""Maps values of other tools to ours, for each of our keys."""

_FORMS = {
    r"(-?\d+)(?:-|:|\.\.)(\d+)": lambda m: f"range({m[1]},{int(m[2]) + 1})",
    r"\[(-?[\d.e-]+(?:,-?[\d.e-]+)*)\]": lambda m: m[1],
    r"(-?[\d.e-]+(?:[ ,]+-?[\d.e-]+)+)": lambda m: ",".join(re.split(r"[ ,]+", m[1])),
    r"log_?uniform\((.*)\)": lambda m: f"tag(log,interval({m[1]}))",
    r"uniform\((.*)\)": lambda m: f"interval({m[1]})",
}
"""Maps other tools' notations of several numbers to ours, for keys with one number."""

_WORDS: dict[str, str | Callable[[re.Match[str]], str]] = {
    r"callbacks=((model_)?checkpoint|model_summary|none|rich_progress_bar)": "callbacks=default",
    r"debug=(default|fdr|limit|true)": "debug=fast_dev_run",
    r"debug=overfit": "trainer.overfit_batches=3",
    r"debug=profiler": "trainer.profiler=simple",
    r"hparams_search=.*": "hydra/sweeper=optuna",
    r"hydra/launcher=submitit_local": "hydra.launcher.processes=2",
    r"hydra/launcher=submitit_slurm": "hydra/launcher=slurm",
    r"logger=many_loggers": "logger=both",
    r"(trainer\.auto_)?lr_find=.*": "optimizer.lr=tag(log,interval(0.0001,0.1))",
    r"optimizer=torch\.optim\.(Adam|AdamW|RMSprop|SGD)": lambda m: f"optimizer={m[1].lower()}",
    r"optimizer=(torch\.optim\.\w+)": lambda m: f"optimizer._target_={m[1]}",
    r"(?i)scheduler=[\w.]*reduce\w*plateau": "scheduler=plateau",
    r"trainer=(cuda|mps)|trainer\.gpus=1": "trainer=gpu",
    r"trainer=ddp_(sim|spawn)": "trainer=ddp",
    r"(wandb|mlflow)\.(\w+=\S*)": lambda m: f"logger={m[1]} logger.{m[1]}.{m[2]}",
    r"trainer\.gpus=(\d+)": lambda m: f"trainer=ddp trainer.devices={m[1]}",
}
"""Maps words of other tools to ours."""

_NOTES = {
    r"chdir": "a run uses the folder of the command",
    r"ckpt_path|trainer\.resume_from_checkpoint": "an interrupted run resumes by itself",
    r"extras(\..*)?|print_config": "--cfg job prints the config",
    r"model\.compile": "native is compiled code",
    r"local|hydra|paths": "values are keys of the command line, or of an experiment",
    r"tags": "name=NAME and sweep.name=NAME choose the folder",
    r"train|test": "every run is trained and then tested; seqsweep evaluate RUN tests it again",
    r"~callbacks\.early_stopping": "callbacks=default does not stop early",
}
"""A note for keys of other tools that have no counterpart. Their words are left out."""

_OPTUNA = "hydra/sweeper=optuna"

_SHORTER = (
    r"; (?:known: |did you mean )|(?<=must be quoted): |(?<=are a sweep); add -m: "
    r"|; write \w+=A,B without spaces$|(?<=group of seqsweep); \+"
)
"""The ends of messages that a whole command replaces."""


def with_meant(message: str, words: Sequence[str]) -> str:
    """Returns an error message, with the command that was meant if there is one."""
    right = meant(words)
    dropped = [word for word in words if right is not None and word not in right]
    notes = list(dict.fromkeys(note for word in dropped if (note := _note(word))))
    if words[:1] == ["sweep"] and any(word.endswith((".yaml", ".yml")) for word in words):
        notes.append("a file of values is FOLDER/sweep/NAME.yaml: --config-dir FOLDER sweep=NAME")
    if any(word.endswith((".xlsx", ".xls", ".ods", ".json")) for word in words):
        notes.append("save the table as a .csv file")
    if right is None and not notes:
        return message
    # The right command replaces the message's list of similar names, because it says more.
    fact = "; ".join([re.split(_SHORTER, message)[0], *notes])
    if right is None:
        return fact
    return f"{fact}; did you mean: {shlex.join(['seqsweep', *_with_needs(right)])}"


def _with_needs(right: list[str]) -> list[str]:
    """Returns a command with the options that its data file needs, as `data info` says them."""
    from seqsweep.training.proposed_run import propose  # late, because it composes configs

    of_data = [word for word in right if word.startswith(("data=", "data."))]
    if not any(word.startswith("data.source.path=") for word in of_data):
        return right
    with contextlib.suppress(ValueError, TypeError, OSError):
        _, proposed, _, _ = propose(of_data)
        return [*(word for word in right if word not in of_data), *proposed]
    return right


def meant(words: Sequence[str]) -> list[str] | None:
    """Returns the command in words of seqsweep; None if they are the same.

    >>> meant(["train", "data=digits", "lr=0.1"])
    ['train', 'data=digits', 'optimizer.lr=0.1']
    """
    command, rest = (words[0], list(words[1:])) if words else ("", [])
    if "=" in command:
        command, rest = "train", list(words)
    if command == "sweep":  # a file of W&B has no counterpart
        rest = [word for word in rest if not word.endswith((".yaml", ".yml"))]
    first, *more = _COMMANDS.get(command, (command,))
    if first == "evaluate":
        # A run is scored on the test split of its data if no file is given.
        names = {path.stem for path in (CONF_DIR / "data").glob("*.yaml")}
        kept = [w for w in rest if Path(w).exists() or (command == first and w not in names)]
        right = [first, *(kept or more)]
        return None if right == list(words) else right
    if first not in ("train", "plan", "explain"):
        return [first, *more] if command in _COMMANDS else None
    folders = ["conf", *(rest[i + 1] for i in range(len(rest) - 1) if rest[i] == "--config-dir")]
    new: list[str] = []
    is_ours = not any(_is_own(w, f) for w in rest if w.startswith("model=") for f in folders)
    for option in _options(_joined(rest)):
        is_argument = option.startswith("model.compile=") and not is_ours
        if is_argument or any(_is_own(option, folder) for folder in folders):
            new.append(option)  # a file of the user is what its name says
        elif not _note(option):
            new += _override(option)
    groups = {word.partition("=")[0] for word in new}
    for path in [word for word in new if word.startswith("data.source.path=")]:
        data = config_of(path.partition("=")[2].strip("\"'"))
        if data and not {"data", "experiment"} & groups:
            new.insert(new.index(path), f"data={data}")
    searched = [word for word in new if "interval(" in word or ".budget." in word]
    if searched and not any(word.startswith(("hydra/sweeper=", "sweep=")) for word in new):
        new.append(_OPTUNA)
    if "--config-dir" not in new and any(_is_own(word, "conf") for word in new):
        new += ["--config-dir", "conf"]
    if [first, *new] == list(words):
        return None
    is_sweep = _OPTUNA in new or any(map(has_several_values, new))
    if first == "train" and is_sweep and not {"-m", "--multirun"} & {*more, *new}:
        more = ["-m"]
    return [first, *more, *new]


def _joined(words: Sequence[str]) -> list[str]:
    """Joins `data = digits`, `data =digits` and `data= digits` to `data=digits`."""
    joined: list[str] = []
    for word in words:
        before = joined[-1] if joined else "-"
        is_key = "=" not in before and not before.startswith("-")
        is_value = before.endswith("=") and "=" not in word and not word.startswith("-")
        if (word.startswith("=") and is_key) or is_value:
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _options(words: Sequence[str]) -> Iterator[str]:
    """Yields `--key value` as `key=value` and `key=8 16` as `key=8,16`."""
    rest, last = deque(words), ""
    while rest:
        word = rest.popleft()
        name, equals, _ = word.partition("=")
        is_value = not (equals or word.startswith("-") or config_of(word))
        if is_value and "." in last.partition("=")[0]:
            # A bracket continues a name such as `Zeit [s]`. Other words are values of a sweep.
            sign = " " if word.startswith("[") else ","
            last += word if last.endswith(("=", ",")) else f"{sign}{word}"
            continue
        if last:
            yield last
        last = ""
        if not word.startswith("-"):
            last = word
        elif (needs_value := takes_value(name)) is not None:
            yield word
            if needs_value and not equals and rest:
                yield rest.popleft()
        elif word in ("--wandb", "--mlflow", "--tensorboard"):
            last = f"logger={name.lstrip('-')}"
        else:
            key = word.lstrip("-").replace("-", "_")
            if equals:
                last = key
            elif rest and not rest[0].startswith("-"):
                last = f"{key}={rest.popleft()}"
            else:
                yield word
    if last:
        yield last


def _override(option: str) -> list[str]:
    """Returns the words of seqsweep for an option: one, or two for a file."""
    if option.startswith(("-", "data.source.pattern=")):  # a pattern needs no quotes
        return [option]
    for form, ours in _WORDS.items():
        if re.fullmatch(form, option):
            return re.sub(form, ours, option).split()
    key, equals, value = option.partition("=")
    if not equals or (key == "data" and config_of(value)):
        path = value or option
        data = config_of(path)
        return (
            [option] if data is None else [f"data={data}", f"data.source.path={quoted_value(path)}"]
        )
    if key.startswith("+") and (CONF_DIR / key.lstrip("+")).is_dir():
        key = key.lstrip("+")
    if value != ",":  # the shell has split `data=digits, seed=0`
        value = value.strip(",")
    if key == "model" and value != "rnn" and {*value.split(",")} <= {*our_cells()}:
        key = "model.cell"
    for wrong, right in _KEYS.items():
        if key == wrong or key.startswith(f"{wrong}."):
            key = right + key.removeprefix(wrong)
            break
    value = _VALUES.get(key, {}).get(value, value)
    if key == "seed" or key.startswith(("model.", "optimizer.lr", "data.batch_size")):
        for form, ours in _FORMS.items():
            value = re.sub(f"^{form}$", ours, value)
    return [quoted(f"{key}={value}") or f"{key}={value}"]


def _note(word: str) -> str | None:
    """Returns the note on an option whose key has no counterpart, or None."""
    key, equals, _ = word.partition("=")
    is_option = equals or word.startswith("~")
    notes = (note for form, note in _NOTES.items() if re.fullmatch(form, key.lstrip("+")))
    return next(notes, None) if is_option else None


def _is_own(word: str, folder: str) -> bool:
    """Returns whether a word chooses a user's option that has keys of ours."""
    group, _, options = word.partition("=")
    is_group = "+" in group or (CONF_DIR / group).is_dir()
    if word.startswith(("debug=", "trainer=mps", "trainer=ddp_")) or not is_group:
        return False
    paths = [Path(group.lstrip("+"), f"{option}.yaml") for option in options.split(",")]
    return any(Path(folder, p).is_file() and not (CONF_DIR / p).is_file() for p in paths)

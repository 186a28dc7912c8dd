"""The fixtures of all tests: one thread, composed configs, a browser, the moment of every write."""

import functools
import gc
import importlib.metadata
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import faster_hydra
import hypothesis
import pytest
from commands import SHARED, Command, CommandServer, StartCommand
from dealing import deal, shuffle, spread
from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from seqsweep.config import CONF_DIR
from seqsweep.config.compose import MemberComposer
from seqsweep.config.from_overrides import VERSION_BASE
from seqsweep.config.schema import Config, check
from seqsweep.runs import files

AtRename = Callable[..., AbstractContextManager[list[str]]]

faster_hydra.install()

# Each of Lightning's Trainers looks through all installed packages for callbacks.
importlib.metadata.entry_points = functools.cache(importlib.metadata.entry_points)

# matplotlib's list of fonts belongs to the tests, not to the user. Other processes inherit it.
if "MPLCONFIGDIR" not in os.environ:
    _fonts = tempfile.TemporaryDirectory(prefix="seqsweep-matplotlib-")
    os.environ["MPLCONFIGDIR"] = _fonts.name

# Files of tests need not survive a power failure, and a test may wait for the disk a hundred times.
os.fsync = lambda *_: None

# No test measures time. The first example of a test may build Hydra's parser.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

gc.disable()  # while test files import torch and Lightning


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "orders the files of tests, and the tests of each file, at random by this seed"
    parser.addoption("--shuffle", type=int, metavar="SEED", help=words)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around -m "not slow", which selects
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """Marks the tests that `make check` and `make test` leave out; orders the selected tests."""
    mark_sampled(items)
    for item in items:
        if any(item.get_closest_marker(name) for name in ("browser", "ray", "slurm")):
            item.add_marker("durability")
    yield
    # Only a process of pytest-xdist has this; all of them must make the same order.
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    seed: int | None = config.getoption("shuffle")
    if seed is not None:
        items[:] = shuffle(items, seed)
    elif worker is not None:
        items[:] = deal(items, worker["workercount"])


def mark_sampled(items: list[pytest.Item]) -> None:
    """Marks the cases of a test that is `sampled(n, m)`.

    All but n of them are slow. If m is given, all but m belong to `make durability` alone.
    """
    sampled: dict[tuple[str, tuple[int, ...]], list[pytest.Item]] = {}
    for item in items:
        for mark in item.iter_markers("sampled"):
            sampled.setdefault((item.nodeid.partition("[")[0], mark.args), []).append(item)
    for (_, counts), cases in sampled.items():
        for count, marker in zip(counts, ("slow", "durability"), strict=False):
            for i in set(range(len(cases))) - spread(len(cases), count):
                cases[i].add_marker(marker)


def pytest_collection_finish() -> None:
    """Hides what importing has made from the garbage collector; lets torch use one thread.

    Torch and Lightning make half a million objects that live as long as the process. Without them
    a collection takes a tenth of the time.
    """
    import torch  # not by the process that only distributes the tests

    torch.set_num_threads(1)
    gc.freeze()
    gc.set_threshold(50_000)  # not after 700 objects: a test makes more, and few of them in cycles
    gc.enable()


# Where the suite itself was started in the background, these two are ignored: tests send them.
for signum, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(signum) == signal.SIG_IGN:
        signal.signal(signum, handler)


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    """A process names each damaged file once: each test starts anew."""
    files._said.clear()


@pytest.fixture(scope="session")
def composed() -> Callable[..., DictConfig]:
    """`composed("model=rnn", "seed=3")`: what Hydra makes of these arguments of `train`."""

    def call(*overrides: str, **options: Any) -> DictConfig:
        with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
            return compose("train", list(overrides), **options)

    return call


@pytest.fixture(scope="session")
def checked() -> Callable[..., Config]:
    """Composes these arguments and checks them: plain values of the right types.

    A `MemberComposer` composes 20 times as fast as Hydra; tests/config/test_compose.py shows that
    both make the same config. Every call checks anew.
    """
    with initialize_config_dir(config_dir=str(CONF_DIR), **VERSION_BASE):
        loader = GlobalHydra.instance().config_loader()
    compose = MemberComposer(loader, loader.load_configuration("train", [], RunMode.MULTIRUN))
    return lambda *overrides: check(compose(overrides))


@pytest.fixture
def composes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets Hydra compose a command's config once.

    It does so twice, first to read `hydra.mode`, which stays null where no config or override sets
    it. Commands in processes of their own leave Hydra as it is.
    """
    monkeypatch.setattr(Hydra, "get_mode", lambda *_, **__: None)


@pytest.fixture(scope="session")
def command_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandServer]:
    """A process that has imported torch, whose forks are commands of seqsweep."""
    base = tmp_path_factory.getbasetemp()  # of this process; those of pytest-xdist are beside it
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with CommandServer(Path(os.environ.get(SHARED, base))) as server:
        yield server


@pytest.fixture
def start_command(tmp_path: Path, command_server: CommandServer) -> Iterator[StartCommand]:
    """Starts `seqsweep ARGUMENTS` as a fork, in the test's folder; kills it when the test ends.

    A `Command` has the methods of `subprocess.Popen`.
    """
    started: list[Command] = []

    def start(*arguments: str, **options: Any) -> Command:
        started.append(command_server.start(tmp_path, *arguments, **options))
        return started[-1]

    yield start
    for command in started:
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGKILL)
        command.communicate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium by Playwright, for the tests marked `browser`.

    It ends before tests of another module begin: a process that one of them forks would hold
    copies of the browser's pipes, and Playwright would wait for it.
    """
    from playwright.sync_api import sync_playwright  # for them alone

    chromium = shutil.which("chromium")
    assert chromium, "no chromium in PATH: install it, or leave out the tests marked browser"
    flags = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync",
             "disable-background-networking", "disable-component-update")  # fmt: skip
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium, args=[f"--{flag}" for flag in flags]
        )
        yield started
        started.close()


class Killed(BaseException):
    """Ends the work as a kill does: nothing of ours catches it, so nothing is tidied up."""


def kill() -> None:
    raise Killed


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A machine on which the driver's file, torch and Lightning show one GPU; `undo` ends that."""
    exists = os.path.exists
    with monkeypatch.context() as patch:
        patch.setattr(os.path, "exists", lambda path: path == "/dev/nvidiactl" or exists(path))
        patch.setattr("torch.cuda.is_available", lambda: True)
        patch.setattr("torch.cuda.device_count", lambda: 1)
        patch.setattr("torch.cuda.get_device_capability", lambda *_: (9, 0))
        # A Trainer for a GPU sets both for the whole process.
        patch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        yield patch
    import torch

    torch.use_deterministic_algorithms(False)


@pytest.fixture
def killed() -> type[BaseException]:
    """The error that `at` and `at_rename` raise."""
    return Killed


@pytest.fixture
def at_rename(monkeypatch: pytest.MonkeyPatch) -> AtRename:
    """`with at_rename(3) as renamed:` kills the work in the block at its third rename.

    Every file of ours gets its name by a rename, so that is every write. With `after` the file has
    its name already. `act` is done instead of the kill, and the work may outlive it. The names of
    the renamed files are added to what the block is given; a killed work renames nothing more.
    """

    @contextmanager
    def ended(
        n: int, after: bool = False, act: Callable[[], object] = kill
    ) -> Generator[list[str]]:
        rename, renamed = os.replace, list[str]()

        def replace(source: str | Path, target: str | Path, **folders: int | None) -> None:
            renamed.append(Path(target).name)
            if not after and len(renamed) >= n:
                act()
            rename(source, target, **folders)
            if after and len(renamed) >= n:
                act()

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace)
            with suppress(Killed):
                yield renamed

    return ended

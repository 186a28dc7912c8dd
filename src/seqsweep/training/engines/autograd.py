"""The engine `autograd`, which trains a run of any network with Lightning."""

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import torch
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch.nn.parameter import is_lazy

from seqsweep.data.sequences import Splits
from seqsweep.errors import RunDiverged
from seqsweep.runs.files import say_once
from seqsweep.runs.held_folders import list_folder, make_folder, remove_folder
from seqsweep.runs.record import NO_RECORD, Record
from seqsweep.runs.run_folder import OWN
from seqsweep.seeding import seed_globals
from seqsweep.text import count
from seqsweep.training.build_run import Parts, build_run
from seqsweep.training.callbacks import ChecksSignal, DrawsProgress, StopAtLimit
from seqsweep.training.checkpoint_files import check_written, load_sealed, newest_checkpoint
from seqsweep.training.checkpoints import BestAndLast, digest_of
from seqsweep.training.description import description
from seqsweep.training.devices import numerics
from seqsweep.training.engines.protocol import End, Engine, Findings, Member, Progress, record_of
from seqsweep.training.fed_loggers import writes_rows
from seqsweep.training.limits import BestEpoch, Paused
from seqsweep.training.logged import logged_in
from seqsweep.training.loggers import open_loggers
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.run_data import DATA_STREAM
from seqsweep.training.start import first_weights

_FIRST_PROCESS = "SEQSWEEP_FIRST_PROCESS"


class AutogradRun(Member):
    """A run with the Lightning objects that train it."""

    def __init__(self, planned: PlannedRun, folder: Path, parts: Parts) -> None:
        super().__init__(planned, folder, parts.log)
        self.parts = parts
        kept = [c for c in parts.trainer.checkpoint_callbacks if isinstance(c, BestAndLast)]
        self.checkpoints = kept[0] if kept else None
        self.best = kept[0].best if kept else BestEpoch(self.monitor)
        self.params = 0
        self.num_train = len(parts.splits.train) if isinstance(parts.splits, Splits) else 0
        config, module = planned.config, parts.module
        shapes = {n: w.shape for n, w in module.state_dict().items() if not is_lazy(w)}
        self.taken = first_weights(config, shapes, description(config, parts.splits))
        if self.taken:
            module.load_state_dict(self.taken, strict=False)

    @property
    def steps(self) -> int:
        return self.parts.trainer.global_step

    def best_digest(self) -> str | None:
        return self.checkpoints and self.checkpoints.best_weights

    def see_weights(self) -> None:
        """Counts the trained weights; sets the warning, and prints it once, if none has changed."""
        module = self.parts.module
        self.params = sum(w.numel() for w in module.parameters() if w.requires_grad)
        # A resumed run is compared with its first weights too, which its checkpoints have noted.
        first = self.checkpoints and self.checkpoints.first_weights
        if first and digest_of(module) == first:
            self.warning = "no weight has changed"
            model = f"model={self.planned.config['model']['_target_']}"
            ask = "does training_step return a loss, and does the optimizer hold the weights?"
            say_once(f"{model}: {self.warning} in {count(self.steps, 'step')}; {ask}")


class AutogradEngine(Engine[AutogradRun]):
    """Trains a single run, which may use the user's own classes."""

    def __init__(self, runs: Sequence[PlannedRun], root: Path, progress: Progress | None) -> None:
        super().__init__(runs, root, progress)
        self.torch_threads: int = runs[0].config["threads"]

    def build(self) -> list[AutogradRun]:
        (planned,) = self.runs
        folder = self.root / planned.run_id
        bar = [] if self.progress is None else [DrawsProgress(self.progress)]
        self.signals = ChecksSignal(self.stop)
        parts = build_run(planned.config, folder, [self.signals, *bar])
        self.run = AutogradRun(planned, folder, parts)
        self.origin = numerics("autograd", self.run.parts.trainer.strategy.root_device)
        self.limit: StopAtLimit | None = None
        if planned.limits is not None:
            if self.run.checkpoints is None:
                raise ValueError("callbacks: must contain a BestAndLast, from which runs resume")
            self.limit = StopAtLimit(planned.limits, self.run.best)
            self.run.parts.trainer.callbacks.append(self.limit)  # pyright: ignore[reportAttributeAccessIssue]
        return [self.run]

    def assist(self, members: Sequence[AutogradRun]) -> Outcome | None:
        run = self.run
        # The first process continues like any run, because it alone locks and writes the folder.
        if run.parts.trainer.is_global_zero:
            if run.parts.trainer.world_size > 1:
                os.environ[_FIRST_PROCESS] = str(os.getpid())  # for the processes it will start
            return None
        _end_with_parent()
        end = self._train(newest_checkpoint(run.folder.path))
        if isinstance(end, RunDiverged):
            raise end
        record = NO_RECORD if isinstance(end, Paused) else Record.of(record_of(run, end))
        return Outcome(run.folder, record, trained=True)

    def start(self, member: AutogradRun, checkpoint: Path | None) -> None:
        self.checkpoint = checkpoint

    @contextlib.contextmanager
    def running(self, begin: Callable[[AutogradRun], bool]) -> Generator[None]:
        with _ending_workers():
            self.has_begun = begin(self.run)
            yield

    def fit(self) -> None:
        if not self.has_begun:
            return
        run, own = self.run, self.run.folder.path / OWN
        make_folder(own)
        end = self._train(self.checkpoint)
        if run.checkpoints and not run.planned.config["model"]["_target_"].startswith("seqsweep."):
            self.origin["first_weights"] = run.checkpoints.first_weights
        if not list_folder(own):
            remove_folder(own)
        if run.checkpoints is not None and run.best.epochs:
            check_written(run.folder.path, writes_rows(run.planned.config))
        self.record(run, end)

    def _train(self, checkpoint: Path | None) -> End:
        """Trains and tests the run; returns its end."""
        run, config = self.run, self.run.planned.config
        _, trainer, module, data, splits = run.parts
        start = time.perf_counter()
        # Without AVX-512 oneDNN has no LSTM in bfloat16. `restored_torch_state` undoes this.
        is_half = trainer.precision == "bf16-mixed" and trainer.strategy.root_device.type == "cpu"
        if is_half and self.origin["cpu_capability"] != "AVX512":
            torch.backends.mkldnn.enabled = False
        try:
            with open_loggers(trainer.loggers, config):
                seed_globals(*DATA_STREAM)  # for `setup`, which Lightning calls before any callback
                trainer.fit(module, datamodule=data, ckpt_path=checkpoint and str(checkpoint))
                if run.checkpoints is None:  # the last epoch counts as the best
                    metrics = logged_in(trainer).epoch_metrics
                    run.best.see(trainer.current_epoch - 1, metrics, time.perf_counter() - start)
                if run.best.epochs == 0:
                    limits = "trainer.max_time or max_steps"
                    raise RuntimeError(f"{limits} ended the run in its first epoch")
                run.see_weights()
                if self.limit is not None and self.limit.reached is not None:
                    return self.limit.reached
                metrics = self._test()
        except RunDiverged as error:
            return error
        # The loggers are closed by now, because this may take long and logs nothing.
        further = getattr(module, "findings", None)
        found = {} if further is None else dict(further(trainer, data, splits))
        metrics |= found.pop("metrics", {})
        diagnosis = found.pop("diagnosis", None)
        return Findings(metrics, found, diagnosis)

    def _test(self) -> dict[str, float]:
        """Tests the weights of the best epoch; returns the test metrics."""
        run, (_, trainer, module, data, known) = self.run, self.run.parts
        trainer.strategy.barrier()  # the first process has written the checkpoint by now
        best = next(run.folder.path.glob("checkpoints/best.ckpt"), None)
        if "test" not in known.names or not is_overridden("test_step", module):
            if best is not None and run.checkpoints is not None:
                run.checkpoints.load_best(module, load_sealed(best)["state_dict"])
            return {}
        seed_globals(*DATA_STREAM)  # `setup` must split as it did before the training
        # Lightning loads the checkpoint after `setup`, with the states of the user's callbacks.
        results = trainer.test(module, datamodule=data, ckpt_path=best, verbose=False)
        best_metrics = run.best.best_metrics
        # A metric that the training has logged under the same name gets the prefix `test/`.
        return {
            f"test/{name}" if name in best_metrics else name: float(value)
            for result in results
            for name, value in result.items()
        }


@functools.cache
def _end_with_parent() -> None:
    """Ends this process soon after its parent, the first process of a distributed run."""
    # The parent may have ended while this process imported its modules.
    parent = int(os.environ.get(_FIRST_PROCESS, os.getppid()))

    def watch() -> None:
        # A killed parent cannot end this process, which would wait for it for half an hour.
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _ending_workers() -> Generator[None]:
    """Kills the DataLoader workers that a run leaves when it ends early.

    Lightning leaves some workers alive, and they hold copies of this process's open files. This
    process would also wait for the workers when it ends: forever, if a signal had ended one worker
    while that worker held the lock of a queue.
    """
    others = multiprocessing.active_children()
    try:
        yield
    except BaseException:
        if threading.current_thread() is threading.main_thread():
            # torch's handler would raise an error for each of the workers.
            handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            left = [each for each in multiprocessing.active_children() if each not in others]
            for worker in left:
                worker.kill()
                worker.join()
            signal.signal(signal.SIGCHLD, handler or signal.SIG_DFL)
        raise

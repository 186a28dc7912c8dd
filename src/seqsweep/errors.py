"""The errors of the package, which a caller can catch by name."""

import signal


class RunDiverged(FloatingPointError):
    """The loss or the gradient norm of an epoch is NaN or infinite."""

    def __init__(self, name: str, value: float, epoch: int, rate: str = "optimizer.lr") -> None:
        super().__init__(
            f"{name} is {value} in epoch {epoch}; try a smaller {rate} or "
            "trainer.gradient_clip_val=1.0"
        )
        self.epoch = epoch


class Interrupted(BaseException):
    """A signal ended the training. Like KeyboardInterrupt, it is not an Exception."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum

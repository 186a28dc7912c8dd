"""A signal ends an interruptible block, wherever in the block the signal comes."""

import signal

import pytest

from seqsweep.training.planned_run import Interrupted, interruptible


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_block_and_the_earlier_handlers_are_restored(
    signum: signal.Signals,
) -> None:
    before = signal.getsignal(signum)
    with pytest.raises(Interrupted, match=signum.name) as error, interruptible():
        signal.raise_signal(signum)
    assert error.value.exit_code == 128 + signum
    assert signal.getsignal(signum) is before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what is tested
def test_a_signal_whose_exception_is_lost_ends_the_block_at_its_end() -> None:
    class Collected:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="SIGINT"), interruptible((signal.SIGINT,)):
        Collected()


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)

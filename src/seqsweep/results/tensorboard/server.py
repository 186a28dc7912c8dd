"""Runs TensorBoard until the standard input is closed.

    python -P -m seqsweep.results.tensorboard.server LOGDIR HOST PORT

The process prints its address once it answers requests, or else why it does not. The parent holds
the other end of the standard input, so the server ends with the parent, however the parent ends.
TensorBoard's data server ends in the same way.
"""

import logging
import signal
import sys

RELOAD_SECONDS = 3
"""The seconds between two looks at the files."""


def main(logdir: str, host: str, port: str) -> None:
    from absl import logging as absl_logging
    from tensorboard import program

    # A terminal sends Ctrl-C to both processes. Only the parent reacts to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    absl_logging.set_verbosity(absl_logging.ERROR)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    board = program.TensorBoard()
    board.configure(
        logdir=logdir,
        host=host,
        port=int(port),
        load_fast="auto",  # Uses the slow loader if there is no data server.
        reload_interval=RELOAD_SECONDS,
    )
    try:
        address = board.launch()
    except program.TensorBoardServerException as error:
        print(error.msg)
        return
    print(address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])

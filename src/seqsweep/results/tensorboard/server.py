"""TensorBoard in a process of its own, that ends when its standard input does.

    python -P -m seqsweep.results.tensorboard.server LOGDIR HOST PORT

Prints the address when it can be asked. Whoever started it holds the other end of its input: when
that process is gone, however it ended, so is this one, and with it the data server of the fast
loader, which keeps the same rule.
"""

import logging
import signal
import sys

RELOAD_SECONDS = 3
"""How often the files are looked at again."""


def main(logdir: str, host: str, port: str) -> None:
    from absl import logging as absl_logging
    from tensorboard import program

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to both processes
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    absl_logging.set_verbosity(absl_logging.ERROR)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    board = program.TensorBoard()
    board.configure(
        logdir=logdir,
        host=host,
        port=int(port),
        load_fast="auto",  # falls back to the slow loader where there is no data server
        reload_interval=RELOAD_SECONDS,
    )
    try:
        address = board.launch()
    except program.TensorBoardServerException as error:
        sys.exit(error.msg)
    print(address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])

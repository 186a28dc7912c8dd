"""Asks the program that is connected to a Ray cluster. Imports no Ray."""

import json
import select
import subprocess
import sys
from typing import Any

_ANSWER_SECONDS = 100.0
"""The longest that an answer may take; a busy machine starts the program in a few seconds."""


class RayConnection:
    """A running `seqsweep.sweeping.ray_calls`.

    Args:
        address: `HOST:PORT` of the cluster's head, or `auto`.
        namespace: the namespace of the workers' names.
    """

    def __init__(self, address: str, namespace: str) -> None:
        self.address = address
        self._program = subprocess.Popen(
            [sys.executable, "-m", "seqsweep.sweeping.ray_calls", address, namespace],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # errors are answers; what Ray prints helps no user
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is for the command alone
        )

    def ask(self, call: str, **arguments: Any) -> Any:
        """Returns the answer of a method of `ray_calls.Cluster`.

        Raises:
            ValueError: the method refuses the arguments.
            ConnectionError: the cluster does not answer.
        """
        line = self._exchange(json.dumps([call, arguments]))
        if not line:
            raise ConnectionError(f"the Ray cluster {self.address} does not answer")
        answer = json.loads(line)
        if "error" in answer:
            raise (ConnectionError if answer["is_gone"] else ValueError)(answer["error"])
        return answer["answer"]

    def close(self) -> None:
        """Ends the program; the workers continue."""
        self._program.kill()
        self._program.communicate()

    def _exchange(self, question: str) -> str:
        """Returns the line that answers another; an empty text if the program has ended."""
        questions, answers = self._program.stdin, self._program.stdout
        assert questions is not None and answers is not None
        try:
            print(question, file=questions, flush=True)
        except BrokenPipeError:
            return ""
        # A program that hangs, because the head's machine is frozen, counts as one that has ended.
        ready, _, _ = select.select([answers], [], [], _ANSWER_SECONDS)
        return answers.readline() if ready else ""

"""The name of this host, which locks and event files show."""

import os
import re
import socket

VARIABLE = "SEQSWEEP_HOST"


def host_name() -> str:
    """Returns the name of this host, or what the variable SEQSWEEP_HOST says.

    The variable is for containers: one that replaces another may have the same name and the same
    process numbers.
    """
    name = os.environ.get(VARIABLE, "")
    return re.sub(r"[^A-Za-z0-9.-]", "_", name) or socket.gethostname()

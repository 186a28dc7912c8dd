"""Runs the command for `python -m seqsweep`."""

from seqsweep.cli import main

main()

"""`python -m seqsweep`."""

from seqsweep.cli import main

main()

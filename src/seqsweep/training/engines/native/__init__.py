"""The native engine, which trains a pool of one run or more."""

"""Groups the runs of a sweep into pools and stacks, and trains the stacks."""

"""The ways to train a run: with autograd, with native code, and in stacks."""

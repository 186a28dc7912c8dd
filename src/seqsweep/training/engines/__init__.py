"""The engines that train runs: autograd, native code, and stacks."""

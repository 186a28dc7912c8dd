"""The engines that train runs: native code and autograd."""

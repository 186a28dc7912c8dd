"""Serves TensorBoard with the names, hyperparameters and pictures of runs, without torch."""

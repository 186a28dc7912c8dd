"""Serves TensorBoard with readable names, hyperparameters and pictures of runs, without torch."""

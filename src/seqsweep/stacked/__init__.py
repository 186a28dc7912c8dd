"""Trains many small networks as one PyTorch program, without configs, folders and Lightning."""

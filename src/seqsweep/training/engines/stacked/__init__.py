"""The stacked engine: trains runs together as one PyTorch program."""

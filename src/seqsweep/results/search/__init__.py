"""What a search has found: the best trials, how certain they are, which keys matter."""

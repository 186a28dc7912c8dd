"""Shows in a terminal how far runs are while they train."""

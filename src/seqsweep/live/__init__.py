"""Shows a sweep in a terminal while its runs train."""

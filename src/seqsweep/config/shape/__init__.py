"""The shape of a sweep, which decides its runs."""

"""The training step in C++: its source, how it is built and found, and its Python binding."""

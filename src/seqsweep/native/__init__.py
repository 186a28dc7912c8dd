"""The native engine: the training step of one network in C++, and its binding."""

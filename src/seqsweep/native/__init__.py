"""The native engine: one training step of one network in C++, and its binding."""

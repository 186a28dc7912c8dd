"""Holds the extras search, ONNX export and clusters. The core imports none of them."""

"""Contains search, export and clusters. The core package imports none of them."""

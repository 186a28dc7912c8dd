"""Search, export and clusters. The core imports none of them."""

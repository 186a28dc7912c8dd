"""What stands beside the core: search, export and clusters. The core imports none of it."""

"""Computes run_ids, and reads, writes and locks the folders of runs."""

"""Starts the workers of a sweep on clusters: Slurm and Ray."""

"""Workers on clusters: Slurm and Ray."""

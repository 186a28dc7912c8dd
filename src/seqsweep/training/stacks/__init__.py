"""Runs that train together, each into its own folder. A single run is a stack of one."""

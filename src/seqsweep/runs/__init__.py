"""The names and folders of runs. The package knows files and plain values only."""

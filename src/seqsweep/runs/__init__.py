"""The names and folders of runs, as files and plain values."""

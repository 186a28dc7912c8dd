"""The shape of a sweep: which runs of the grid of all values it has."""

"""The shape of a sweep: the runs that it has."""

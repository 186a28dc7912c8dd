"""The shape of a sweep: the options that decide which runs it has."""

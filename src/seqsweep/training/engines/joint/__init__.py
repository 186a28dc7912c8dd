"""The parts that stacks and pools share."""

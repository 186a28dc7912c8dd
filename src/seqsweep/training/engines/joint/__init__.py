"""What stacks and pools have in common: the part of each member, from its config to its record."""

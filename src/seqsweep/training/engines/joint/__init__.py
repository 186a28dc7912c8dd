"""The parts that stacks and pools share: members with their schedules, states and logs."""

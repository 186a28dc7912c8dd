"""Many runs: what a sweep is, and the commands that start or repeat runs."""

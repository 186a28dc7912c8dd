"""Tables, statistics and reports from the records of runs, without torch."""

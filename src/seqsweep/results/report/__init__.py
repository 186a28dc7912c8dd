"""The report of a folder of runs: one page of HTML and its numbers as JSON."""

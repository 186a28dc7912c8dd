"""Writes the report of a folder of runs, as HTML, CSV and JSON."""

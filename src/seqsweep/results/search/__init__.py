"""Reads what a search has found: its best trials and which keys matter."""

"""Draws the figures of a paper with matplotlib, and writes its tables."""

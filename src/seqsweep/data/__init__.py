"""Reads, checks, splits and scales labelled sequences."""

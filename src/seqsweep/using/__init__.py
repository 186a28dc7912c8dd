"""Loads trained runs, to use their networks."""

"""What the records of finished runs say. Imports no torch."""

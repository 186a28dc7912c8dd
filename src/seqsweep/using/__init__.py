"""Trained runs outside of training."""

"""Writes the names, hyperparameters and pictures that TensorBoard shows. Imports no torch."""

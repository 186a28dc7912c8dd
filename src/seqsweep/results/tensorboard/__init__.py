"""Writes the names, hyperparameters and pictures that TensorBoard shows. No torch."""

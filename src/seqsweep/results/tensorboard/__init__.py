"""What TensorBoard shows of a folder of runs: readable names, hyperparameters, pictures. No torch."""

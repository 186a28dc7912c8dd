"""What TensorBoard shows of a folder of runs: names, hyperparameters, pictures. No torch."""

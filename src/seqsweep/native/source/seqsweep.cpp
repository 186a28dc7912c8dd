// Stand-in until the training step is here.

"""seqsweep: train RNN sequence classifiers and sweep their configs."""

import numpy as np

from seqsweep import make_sequences


def waves(count=200):
    labels = np.arange(count) % 2
    start = np.random.default_rng(0).uniform(0, 6, (count, 1))
    x = np.sin((0.3 + 0.5 * labels[:, None]) * np.arange(30) + start)  # (N, T): one channel
    return make_sequences(x, labels, class_names=["slow", "fast"])

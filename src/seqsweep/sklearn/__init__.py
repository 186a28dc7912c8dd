"""Estimators for scikit-learn, trained by the engines of this package."""

from importlib.util import find_spec

if find_spec("sklearn") is None:
    raise ImportError("seqsweep.sklearn needs scikit-learn: pip install 'seqsweep[sklearn]'")

from seqsweep.sklearn.classifier import RecurrentClassifier
from seqsweep.sklearn.search import RecurrentClassifierCV

__all__ = ["RecurrentClassifier", "RecurrentClassifierCV"]

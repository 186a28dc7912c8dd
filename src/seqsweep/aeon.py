"""Defines a classifier for aeon, whose collections have the channels first."""

import inspect
from importlib.util import find_spec
from typing import Any

if find_spec("aeon") is None:
    raise ImportError("seqsweep.aeon needs aeon: pip install 'seqsweep[aeon]'")

from aeon.classification.base import BaseClassifier

from seqsweep.sklearn import RecurrentClassifier
from seqsweep.sklearn.arrays import KnownArguments

_OWN = inspect.signature(RecurrentClassifier.__init__)
_SIGNATURE = _OWN.replace(parameters=[p for n, p in _OWN.parameters.items() if n != "layout"])


class SeqsweepClassifier(KnownArguments, BaseClassifier):
    """A recurrent classifier for aeon: univariate, multivariate and of unequal lengths.

    X is an array (N, C, T) or a list of N arrays (C, T), as in aeon: N counts cases, C channels and
    T time points. Values may be missing if the argument `missing` is not `error`.

    Args: the arguments of `seqsweep.sklearn.RecurrentClassifier`, except `layout`.

    Attributes:
        estimator_: the fitted `RecurrentClassifier`.
    """

    _tags = {  # noqa: RUF012
        "X_inner_type": ["np-list", "numpy3D"],
        "capability:multivariate": True,
        "capability:unequal_length": True,
        "algorithm_type": "deeplearning",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        arguments = _SIGNATURE.bind(self, *args, **kwargs)
        arguments.apply_defaults()
        # scikit-learn requires an attribute for each argument.
        for name in self._get_param_names():
            setattr(self, name, arguments.arguments[name])
        super().__init__()

    vars(__init__)["__signature__"] = _SIGNATURE  # which scikit-learn and aeon read
    save = property(lambda self: self.estimator_.save, doc="See `RecurrentClassifier.save`.")

    def get_tags(self) -> dict[str, Any]:
        """Returns the tags; the argument `missing` decides about missing values."""
        missing = getattr(self, "missing", "error")
        return super().get_tags() | {"capability:missing_values": missing != "error"}

    def _fit(self, X: Any, y: Any) -> Any:
        arguments = self.get_params(deep=False)
        self.estimator_ = RecurrentClassifier(layout="channels_first", **arguments).fit(X, y)
        return self

    def _predict(self, X: Any) -> Any:
        return self.estimator_.predict(X)

    def _predict_proba(self, X: Any) -> Any:
        return self.estimator_.predict_proba(X)

    @classmethod
    def _get_test_params(cls, parameter_set: str = "default") -> dict[str, Any]:
        """Returns arguments for aeon's checks, which train quickly."""
        return {"hidden_size": 4, "max_epochs": 2}

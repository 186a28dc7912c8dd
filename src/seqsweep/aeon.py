"""Defines a classifier for aeon, whose collections have the channels first."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

if find_spec("aeon") is None:
    raise ImportError("seqsweep.aeon needs aeon: pip install 'seqsweep[aeon]'")

import numpy as np
from aeon.classification.base import BaseClassifier

from seqsweep.data.fitted import Missing
from seqsweep.models.classifier import AnyCell, Pooling
from seqsweep.sklearn import RecurrentClassifier


class SeqsweepClassifier(BaseClassifier):
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

    def __init__(
        self,
        hidden_size: int = 32,
        cell: AnyCell = "rnn",
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: Pooling = "last",
        max_epochs: int = 30,
        batch_size: int | Literal["auto"] = "auto",
        lr: float = 0.003,
        weight_decay: float = 0.0,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        standardize: bool = True,
        missing: Missing = "error",
        val_fraction: float = 0.2,
        random_state: int | np.random.RandomState | None = 0,
        engine: Literal["auto", "native", "autograd"] = "auto",
        threads: int = 1,
        folder: str | Path | None = None,
        overrides: dict[str, Any] | None = None,
        verbose: bool = False,
    ) -> None:
        arguments = dict(locals())
        # scikit-learn requires an attribute for each argument.
        for name in self._get_param_names():
            setattr(self, name, arguments[name])
        super().__init__()

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

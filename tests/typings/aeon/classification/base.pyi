from typing import Any

from sklearn.base import BaseEstimator

class BaseClassifier(BaseEstimator):
    def get_tags(self) -> dict[str, Any]: ...

"""KernelDensity as scikit-learn has it, Gaussian and exact, with the score of the density besides.

from scorefield.sklearn import KernelDensity
KernelDensity(bandwidth="likelihood").fit(X).score_samples(X)
"""

from numbers import Real
from typing import Any, Optional, Union

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from . import losses
from .kde import KDE, BandwidthFit

_RULES = ("scott", "silverman")
_LOSSES = ("likelihood", "ism", "ssm", "fdssm", "fdssm_score")


class KernelDensity(DensityMixin, BaseEstimator):
    """A Gaussian kernel density estimate with scikit-learn's interface.

    bandwidth: h > 0; "scott" or "silverman", n^(-1/(d+4)) and (n (d+2)/4)^(-1/(d+4)), as
    scikit-learn has them; or the name of a loss, "likelihood" (least -log p) or "ism" among others,
    that the bandwidth makes least with each sample left out in turn. epsilon: the finite difference
    of "fdssm". dtype: "float64", "float32", or None: that of X, and float64 where it is neither.

    After fit: kde_ (a scorefield.KDE), bandwidth_, n_features_in_, fit_result_.
    """

    def __init__(self, bandwidth: Union[float, str] = 1.0, *, epsilon: float = 0.1,
                 dtype: Optional[str] = None):  # fmt: skip
        self.bandwidth = bandwidth
        self.epsilon = epsilon
        self.dtype = dtype

    def _checked(self, X, reset):
        dtypes = [np.float64, np.float32] if self.dtype is None else [np.dtype(self.dtype)]
        try:
            from sklearn.utils.validation import validate_data  # since 1.6
        except ImportError:
            return self._validate_data(X, dtype=dtypes, order="C", reset=reset)
        return validate_data(self, X, dtype=dtypes, order="C", reset=reset)

    def fit(self, X: Any, y: Any = None, sample_weight: Optional[Any] = None) -> "KernelDensity":
        """X: [n, d]; y is ignored; sample_weight: [n] >= 0."""
        X = self._checked(X, reset=True)
        if sample_weight is not None:
            sample_weight = np.ascontiguousarray(
                check_array(sample_weight, ensure_2d=False, dtype=X.dtype)
            )
            if sample_weight.shape != (X.shape[0],):
                raise ValueError(
                    f"sample_weight must have shape ({X.shape[0]},), got {sample_weight.shape}"
                )
        n, d = X.shape
        self.fit_result_: Optional[BandwidthFit] = None
        if isinstance(self.bandwidth, Real):
            bandwidth = float(self.bandwidth)
        elif self.bandwidth == "scott":
            bandwidth = n ** (-1 / (d + 4))
        elif self.bandwidth == "silverman":
            bandwidth = (n * (d + 2) / 4) ** (-1 / (d + 4))
        elif self.bandwidth in _LOSSES:
            options = {"epsilon": self.epsilon} if self.bandwidth.startswith("fdssm") else {}
            self.kde_ = KDE.fit(X, self.bandwidth, weights=sample_weight, **options)
            self.fit_result_ = self.kde_.fit_result
            bandwidth = self.kde_.bandwidth
        else:
            known = ", ".join(repr(name) for name in _RULES + _LOSSES)
            raise ValueError(
                f"bandwidth must be a number > 0 or one of {known}, got {self.bandwidth!r}"
            )
        if self.fit_result_ is None:
            self.kde_ = KDE(X, bandwidth, weights=sample_weight)
        self.bandwidth_ = bandwidth
        self._data, self._weights = X.copy(), sample_weight
        return self

    def __getstate__(self):
        """Without the prepared data, which live in the library: they are prepared anew."""
        state = super().__getstate__().copy()
        state.pop("kde_", None)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "bandwidth_" in state:
            self.kde_ = KDE(self._data, self.bandwidth_, weights=self._weights)

    def _queries(self, X):
        check_is_fitted(self, "kde_")
        return self._checked(X, reset=False).astype(self.kde_.dtype, copy=False)

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-density of each sample, [m], nats."""
        return self.kde_.log_density(self._queries(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Total log-density of X, nats; y is ignored. (The density's gradient: score_field.)"""
        return float(np.sum(self.score_samples(X), dtype=np.float64))

    def score_field(self, X: Any) -> np.ndarray:
        """grad log p at each sample, [m, d], units 1/x."""
        return self.kde_.score(self._queries(X))

    def loss(self, X: Any, loss: str = "likelihood", **options) -> "losses.KdeLoss":
        """A score-matching loss at samples X: scorefield.losses.kde_loss."""
        return losses.kde_loss(self.kde_, self._queries(X), loss, **options)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """Exact draws, [n_samples, d]."""
        check_is_fitted(self, "kde_")
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        return self.kde_.draw(n_samples, int(seed))

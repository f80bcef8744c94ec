import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn import neighbors  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.utils import estimator_checks  # noqa: E402

from scorefield.sklearn import KernelDensity  # noqa: E402

X = np.random.default_rng(12).standard_normal((200, 3))


@estimator_checks.parametrize_with_checks([KernelDensity(), KernelDensity(bandwidth="silverman")])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("bandwidth", [0.4, "scott", "silverman"])
def test_as_scikit_learns(bandwidth):
    weights = np.arange(200) + 1.0
    ours = KernelDensity(bandwidth=bandwidth).fit(X, sample_weight=weights)
    theirs = neighbors.KernelDensity(bandwidth=bandwidth, rtol=1e-10).fit(X, sample_weight=weights)
    assert ours.bandwidth_ == pytest.approx(theirs.bandwidth_, rel=1e-12)
    assert np.allclose(ours.score_samples(X), theirs.score_samples(X), atol=1e-8)
    assert ours.score(X) == pytest.approx(theirs.score(X))
    assert ours.sample(5, random_state=1).shape == (5, 3)
    assert np.array_equal(ours.sample(5, random_state=1), ours.sample(5, random_state=1))


def test_gradient_and_dtype():
    ours = KernelDensity(0.5, dtype="float32").fit(X)
    step = np.eye(3)[0] * 1e-2
    slope = (ours.score_samples(X + step) - ours.score_samples(X - step)) / 2e-2
    assert ours.score_field(X).dtype == np.float32
    assert np.allclose(ours.score_field(X)[:, 0], slope, atol=2e-2)
    assert ours.loss(X, "likelihood").mean == pytest.approx(-ours.score(X) / 200, rel=1e-5)


def test_fitted_bandwidths():
    fitted = KernelDensity(bandwidth="likelihood").fit(X)
    grid = GridSearchCV(KernelDensity(), {"bandwidth": np.geomspace(0.2, 1.2, 12)}, cv=40)
    # Cross-validation leaves five out at a time: the grid's best lies beside the fitted one.
    best = grid.fit(X).best_params_["bandwidth"]
    assert abs(np.log(best / fitted.bandwidth_)) < np.log(1.2 / 0.2) / 11
    assert KernelDensity(bandwidth="ism").fit(X).bandwidth_ > 0
    with pytest.raises(ValueError, match="bandwidth must be a number"):
        KernelDensity(bandwidth="nonsense").fit(X)


def test_pickles_and_clones():
    fitted = KernelDensity(0.3).fit(X)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.score_samples(X), fitted.score_samples(X))
    assert not hasattr(clone(fitted), "kde_")

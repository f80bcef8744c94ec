import copy
import gc
import os
import pickle
import signal
import threading

import numpy as np
import pytest
import reference

import scorefield

RANDOM = np.random.default_rng(3)


@pytest.fixture(params=["float32", "float64"])
def problem(request):
    data = RANDOM.standard_normal((211, 3)).astype(request.param)
    x = RANDOM.standard_normal((17, 3)).astype(request.param)
    return data, x, scorefield.KDE(data, 0.5), request.param


def test_every_output(problem):
    data, x, kde, dtype = problem
    v = RANDOM.standard_normal(x.shape).astype(dtype)
    density, score, mean, jacobian = reference.kde(data, x, 0.5)
    reference.close(kde.log_density(x), density, dtype)
    reference.close(kde.score(x), score, dtype)
    reference.close(kde.denoise(x), mean, dtype)
    reference.close(kde.divergence(x), np.trace(jacobian, axis1=1, axis2=2), dtype)
    reference.close(kde.jvp(x, v), np.einsum("mij,mj->mi", jacobian, v), dtype)
    reference.close(kde.quadratic_form(x, v), np.einsum("mi,mij,mj->m", v, jacobian, v), dtype)
    size = kde.effective_sample_size(x)
    assert size.shape == (17,) and np.all((size >= 1) & (size <= 211))
    indices, weights = kde.nearest(x, 2)
    nearest = ((x[:, None] - data[None]) ** 2).sum(-1).argmin(1)
    assert indices.dtype == np.int64 and np.array_equal(indices[:, 0], nearest)
    assert np.all(weights[:, 0] >= weights[:, 1])
    assert kde.score(x).dtype == x.dtype


def test_curve_over_bandwidths(problem):
    data, x, kde, dtype = problem
    grid = [0.2, 0.5, 3.0]
    curve = kde.log_density_curve(x, grid)
    assert curve.shape == (3, 17) and curve.dtype == x.dtype
    for row, bandwidth in zip(curve, grid):
        reference.close(row, reference.kde(data, x, bandwidth)[0], dtype)


def test_debiased_data_and_density(problem):
    data, x, kde, dtype = problem
    moved = data + 0.125 * reference.kde(data, data, 0.5)[1]
    debiased = scorefield.KDE(data, 0.5, debias=True)
    reference.close(debiased.log_density(x), reference.kde(moved, x, 0.5)[0], dtype)
    with pytest.raises(ValueError, match="debias"):
        scorefield.KDE(data, debias=True)
    density, score, _, jacobian = reference.kde(data, x, 0.5)
    factor = 1 - 0.125 * (np.trace(jacobian, axis1=1, axis2=2) + (score**2).sum(1))
    magnitude, sign = kde.laplace(x)
    clear = abs(factor) > 1e-2
    assert clear.any() and np.array_equal(sign[clear], np.sign(factor[clear]))
    got, expected = (sign * np.exp(magnitude - density)), factor
    assert np.max(abs(got - expected)) < (1e-3 if dtype == "float32" else 1e-9)


def test_tolerance_skips_data_at_small_bandwidths():
    data = RANDOM.standard_normal((20000, 2)).astype(np.float32)
    kde = scorefield.KDE(data, 0.01, index=True)
    found = kde.evaluate(data[:64], ("log_density", "evaluated", "method"), tolerance=1e-6)
    assert {scorefield.kde.METHODS[k] for k in found["method"]} == {"boxes"}
    assert found["evaluated"].max() < len(data) / 4
    exact = kde.log_density(data[:64])
    assert np.max(abs(found["log_density"] - exact)) < 1e-5 * np.max(abs(exact))


def test_arrays_per_query(problem):
    data, x, kde, dtype = problem
    bandwidth = np.linspace(0.3, 2, 17).astype(dtype)
    reference.close(kde.score(x, bandwidth=bandwidth), reference.kde(data, x, bandwidth)[1], dtype)
    scaled = reference.kde(data, x, 0.5, scale=0.7)
    reference.close(kde.score(x, signal_scale=0.7), scaled[1], dtype)
    reference.close(kde.score(x, signal_scale=np.full(17, 0.7, dtype)), scaled[1], dtype)
    left = kde.log_density(data[:17], skip=np.arange(17))
    without = [reference.kde(np.delete(data, i, 0), data[i : i + 1], 0.5)[0][0] for i in range(17)]
    reference.close(left, without, dtype)


def test_labels_and_weights():
    data = RANDOM.standard_normal((60, 2))
    weights, labels = RANDOM.uniform(size=60), np.arange(60) % 3
    kde = scorefield.KDE(data, 0.4, weights=weights, labels=labels)
    x = RANDOM.standard_normal((5, 2))
    reference.close(kde.score(x), reference.kde(data, x, 0.4, weights)[1], "float64")
    one = labels == 1
    expected = reference.kde(data[one], x, 0.4, weights[one])[1]
    reference.close(kde.score(x, labels=np.ones(5, int)), expected, "float64")
    reference.close(kde.score(x, labels=[scorefield.ANY_LABEL] * 5), kde.score(x), "float64")
    points, indices = kde.draw(300, 5, labels=np.full(300, 2), indices=True)
    assert points.shape == (300, 2) and np.all(labels[indices] == 2)


def test_draw_is_the_density():
    data = np.array([[-3.0], [3.0]])
    kde = scorefield.KDE(data, 0.5)
    points = kde.draw(20000, 1)
    # False alarms: means of 20000 within five standard errors.
    assert abs(points.mean()) < 5 * 3.05 / 20000**0.5
    assert abs(points.var() - 9.25) < 5 * 9.25 * 2 / 20000**0.5
    assert np.array_equal(points, kde.draw(20000, 1)) and not np.array_equal(
        points, kde.draw(20000, 2)
    )
    part = kde.draw(100, scorefield.Noise(seed=1, first_row=500))
    assert np.array_equal(part, points[500:600])
    assert set(np.unique(kde.draw(50, bandwidth=0.0))) == {-3.0, 3.0}


def test_moments_and_gradient():
    data = RANDOM.standard_normal((40, 2))
    kde = scorefield.KDE(data, 0.6)
    mean, variance = kde.moments()
    reference.close(mean, data.mean(0), "float64")
    reference.close(variance, data.var(0), "float64")
    x, g = RANDOM.standard_normal((6, 2)), RANDOM.standard_normal(6)
    found = kde.gradient(x, log_density_weights=g)
    step = 1e-6
    for k, j in ((0, 0), (17, 1)):
        moved = [data.copy(), data.copy()]
        moved[0][k, j] += step
        moved[1][k, j] -= step
        up, down = (reference.kde(each, x, 0.6)[0] @ g for each in moved)
        assert abs(found["data"][k, j] - (up - down) / (2 * step)) < 1e-7
    up, down = (reference.kde(data, x, 0.6 * np.exp(e))[0] for e in (step, -step))
    assert np.allclose(found["log_bandwidths"], g * (up - down) / (2 * step), atol=1e-7)
    assert found["log_weights"].shape == (40,)


def test_fit_leaves_one_out():
    data = np.random.default_rng(5).standard_normal((120, 2))
    kde = scorefield.KDE.fit(data)
    grid = np.geomspace(kde.bandwidth / 2, kde.bandwidth * 2, 41)

    def left_out(h):
        prepared = scorefield.KDE(data, h)
        return -prepared.log_density(data, skip=np.arange(120)).mean()

    losses = [left_out(h) for h in grid]
    assert abs(np.log(grid[np.argmin(losses)] / kde.bandwidth)) <= np.log(grid[1] / grid[0])
    assert kde.fit_result.loss == pytest.approx(left_out(kde.bandwidth), abs=1e-12)
    assert not kde.fit_result.at_edge
    assert scorefield.KDE.fit(data, "dsm", sigma=0.5).fit_result.bandwidth > kde.bandwidth
    edge = scorefield.KDE.fit(data, least=2.0, most=3.0)
    assert edge.fit_result.at_edge and edge.bandwidth == 2.0


def test_one_kde_in_many_threads(problem):
    _, x, kde, _ = problem
    expected, found = kde.score(x), [None] * 8

    def evaluate(number):
        for _ in range(20):
            found[number] = kde.score(x)

    threads = [threading.Thread(target=evaluate, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(each, expected) for each in found)


def test_results_do_not_depend_on_threads(problem):
    _, x, kde, _ = problem
    expected = kde.score(x)
    try:
        scorefield.set_threads(1)
        assert np.array_equal(kde.score(x), expected)
    finally:
        scorefield.set_threads(0)


def test_errors_carry_the_message(problem):
    data, x, kde, dtype = problem
    with pytest.raises(scorefield.InvalidArgument, match=r"bandwidth must be > 0.*got nan"):
        kde.score(x, bandwidth=float("nan"))
    with pytest.raises(ValueError, match="skip"):
        kde.score(x, skip=np.full(17, 211))
    with pytest.raises(ValueError, match=r"got nan"):
        scorefield.KDE(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="bandwidth must be > 0"):
        scorefield.KDE(data, -1.0)
    with pytest.raises(ValueError, match="bandwidth: the KDE has none"):
        scorefield.KDE(data).score(x)
    with pytest.raises(ValueError, match=r"x must have shape \(17, 3\), got \(17, 2\)"):
        kde.score(x[:, :2])
    with pytest.raises(ValueError, match=r"x must have shape \[m, d\]"):
        kde.score(x[0])
    other = "float32" if dtype == "float64" else "float64"
    with pytest.raises(TypeError, match=f"x must be {dtype}, got {other}"):
        kde.score(x.astype(other))
    with pytest.raises(ValueError, match="none of"):
        kde.evaluate(x, ("nonsense",))
    with pytest.raises(ValueError, match="tangent"):
        kde.evaluate(x, ("jacobian_product",))
    with pytest.raises(ValueError, match="threads must be in"):
        scorefield.set_threads(-1)


def test_no_queries(problem):
    _, x, kde, dtype = problem
    assert kde.score(x[:0]).shape == (0, 3)
    assert kde.draw(0).shape == (0, 3)


def test_copies_share_the_data_and_pickles_are_refused(problem):
    data, x, kde, _ = problem
    expected = kde.score(x)
    shallow, deep = copy.copy(kde), copy.deepcopy(kde)
    deep.bandwidth = 2.0
    assert kde.bandwidth == shallow.bandwidth == 0.5
    local = scorefield.KDE(data, 0.5)
    last = copy.copy(local)
    del local
    gc.collect()
    assert np.array_equal(last.score(x), expected)
    assert np.array_equal(shallow.score(x), expected)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(kde)


def test_whole_numbers_are_not_cut(problem):
    _, x, kde, _ = problem
    for call in (
        lambda: kde.nearest(x, 2**32 + 1),
        lambda: kde.moments(label=2**31),
        lambda: kde.draw(2, 2**64),
        lambda: scorefield.Noise(0, offset=-1),
        lambda: scorefield.Noise(0, first_row=2**63),
        lambda: scorefield.set_threads(2**32),
        lambda: scorefield.KDE.fit(x, max_evaluations=2**32),
    ):
        with pytest.raises(ValueError, match="must be in"):
            call()


def test_what_forks_after_use_computes_too(problem):
    _, x, kde, _ = problem
    expected = kde.score(np.repeat(x, 40, axis=0))
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(0 if np.array_equal(kde.score(np.repeat(x, 40, axis=0)), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0

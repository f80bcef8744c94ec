"""Naive references in NumPy's double, written from the formulas."""

import numpy as np


def kde(data, x, bandwidth, weights=None, scale=1.0):
    """log-density [m], score [m, d], posterior mean [m, d] and Jacobian [m, d, d]."""
    data, x = np.asarray(data, np.float64), np.asarray(x, np.float64)
    n, d = data.shape
    weights = np.full(n, 1 / n) if weights is None else np.asarray(weights) / np.sum(weights)
    h = np.broadcast_to(np.asarray(bandwidth, np.float64), x.shape[:1])
    square = ((x[:, None, :] - scale * data[None]) ** 2).sum(-1)
    exponent = np.log(weights)[None] - square / (2 * h[:, None] ** 2)
    peak = exponent.max(1, keepdims=True)
    p = np.exp(exponent - peak)
    total = p.sum(1, keepdims=True)
    p /= total
    density = (peak + np.log(total))[:, 0] - d / 2 * np.log(2 * np.pi) - d * np.log(h)
    mean = p @ data
    score = (scale * mean - x) / h[:, None] ** 2
    centred = data[None] - mean[:, None]
    covariance = np.einsum("mn,mni,mnj->mij", p, centred, centred)
    jacobian = scale**2 * covariance / h[:, None, None] ** 4 - np.eye(d) / h[:, None, None] ** 2
    return density, score, mean, jacobian


def close(actual, expected, dtype):
    """Within a thousand roundings of the largest: these tests are of the binding, not of the
    kernels.
    """
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    bound = 1000 * np.finfo(dtype).eps * max(np.abs(expected).max(initial=0), 1.0)
    assert np.all(np.abs(actual - expected) <= bound), np.abs(actual - expected).max()

import numpy as np
import pytest

import scorefield
from scorefield import ode

RANDOM = np.random.default_rng(11)
MATRIX = np.array([[-0.3, 1.0], [-1.0, -0.2]])
LINEAR = ode.Flow(
    lambda x, t: x @ MATRIX.T,
    divergence=lambda x, t: np.full(len(x), np.trace(MATRIX)),
    jvp=lambda x, t, v: v @ MATRIX.T,
    vjp=lambda x, t, u: u @ MATRIX,
)


def exponential(matrix):
    values, vectors = np.linalg.eig(matrix)
    return (vectors @ np.diag(np.exp(values)) @ np.linalg.inv(vectors)).real


@pytest.mark.parametrize("solver", ["dopri5", "euler", "heun", "rk4"])
def test_a_linear_flow(solver):
    x = RANDOM.standard_normal((13, 2))
    kept = x.copy()
    tolerance = {"dopri5": 1e-8, "euler": 2e-2, "heun": 1e-4, "rk4": 1e-8}[solver]
    found = ode.solve(LINEAR, x, [0, 0.5, 1], states=True, trace="exact", solver=solver, rtol=1e-9,
                      atol=1e-9)  # fmt: skip
    assert np.array_equal(x, kept)
    assert np.allclose(found.x, x @ exponential(MATRIX).T, atol=tolerance)
    assert np.allclose(found.states[1], x @ exponential(MATRIX / 2).T, atol=tolerance)
    assert np.array_equal(found.states[0], x) and np.array_equal(found.states[-1], found.x)
    assert np.allclose(found.log_density, 0.5, atol=1e-6)
    assert np.allclose(found.log_densities[1], 0.25, atol=1e-6)
    assert found.failed == 0 and found.calls > 0 and np.all(found.steps_taken > 0)
    hutchinson = ode.solve(LINEAR, x, trace="hutchinson", probes=100, noise=3, solver=solver)
    assert abs(hutchinson.log_density.mean() - 0.5) < 0.2


def test_times_reach_the_field():
    flow = ode.Flow(lambda x, t: np.broadcast_to(2 * t, x.shape))
    found = ode.solve(flow, np.zeros((3, 2)), [1, 3], rtol=1e-9)
    assert np.allclose(found.x, 8)


def test_probability_flow_of_a_kde_and_of_its_score():
    kde = scorefield.KDE(RANDOM.standard_normal((30, 2)), 0.5)
    x = RANDOM.standard_normal((7, 2))
    exact = ode.ProbabilityFlow(kde, "vp")
    likelihood = ode.log_likelihood(exact, x, rtol=1e-7, atol=1e-7)
    assert np.allclose(likelihood.log_density, kde.log_density(x), atol=1e-5)
    assert likelihood.mean_log_density == pytest.approx(likelihood.log_density.mean())

    def options(level):
        a = level.signal_scale[:, 0].copy()
        return {"signal_scale": a, "bandwidth": np.sqrt(a**2 * 0.25 + level.sigma[:, 0] ** 2)}

    by_score = ode.ProbabilityFlow(
        lambda x, level: kde.score(x, **options(level)), "vp",
        divergence=lambda x, level: kde.divergence(x, **options(level)),
        jvp=lambda x, level, v: kde.jvp(x, v, **options(level)),
        vjp=lambda x, level, u: kde.jvp(x, u, **options(level)),
    )  # fmt: skip
    for method in (ode.encode, ode.decode):
        assert np.allclose(method(exact, x), method(by_score, x), atol=1e-6)
    latents, error = ode.encode(exact, x, round_trip=True, rtol=1e-8, atol=1e-8)
    assert error.max() < 1e-6 and latents.shape == x.shape
    assert np.allclose(ode.decode(exact, latents, rtol=1e-8, atol=1e-8), x, atol=1e-6)
    gaussian = ode.log_likelihood(by_score, x)
    assert np.allclose(gaussian.log_density, kde.log_density(x), atol=0.05)
    g = RANDOM.standard_normal((2, 7, 2))
    one, two = (ode.adjoint(field, x, g).gradient for field in (exact, by_score))
    assert np.allclose(one, two, atol=1e-5)
    both = ode.adjoint(exact, x, g, log_bandwidth=True, data=True)
    assert both.data_gradient.shape == (30, 2) and np.isfinite(both.log_bandwidth_gradient)


def test_adjoint_of_a_linear_flow():
    x, u = RANDOM.standard_normal((5, 2)), RANDOM.standard_normal((5, 2))
    g = np.stack([np.zeros_like(u), u])
    for method in ("discrete", "continuous"):
        found = ode.adjoint(LINEAR, x, g, method=method, rtol=1e-9, atol=1e-9)
        assert np.allclose(found.gradient, u @ exponential(MATRIX), atol=1e-6)
    spread = np.trace(exponential(MATRIX) @ exponential(MATRIX).T) / 2
    by_noise = ode.local_variance(LINEAR, x, epsilon=0.1, draws=500, noise=2)
    assert np.allclose(by_noise, spread, rtol=0.2)
    by_jacobian = ode.local_variance(LINEAR, x, method="jacobian", draws=500, noise=2)
    assert np.allclose(by_jacobian, spread, rtol=0.2)


def test_gradients_that_only_a_kde_has():
    x = np.ones((5, 2))
    for wanted in ({"data": True}, {"log_bandwidth": True}):
        with pytest.raises(ValueError, match="not a KDE's"):
            ode.adjoint(LINEAR, x, np.ones((2, 5, 2)), **wanted)


def test_samples_that_fail():
    flow = ode.Flow(lambda x, t: np.where(x > 5, np.nan, x))
    x = np.array([[1.0], [6.0], [0.5]])
    with pytest.raises(ode.Failed, match="1 samples failed .*the first is sample 1") as caught:
        ode.solve(flow, x)
    assert isinstance(caught.value, scorefield.Error)
    found = ode.solve(flow, x, strict=False)
    assert found.failed == 1 and found.first_failed == 1 and found.status == ("not_finite",)
    assert np.isnan(found.x[1, 0]) and np.allclose(found.x[[0, 2], 0], [np.e, np.e / 2], atol=1e-3)


def test_float32_and_torch():
    torch = pytest.importorskip("torch")
    x = torch.randn(6, 2, dtype=torch.float32)
    found = ode.solve(ode.Flow(lambda x, t: -x * (1 + 0 * t)), x)
    assert found.x.dtype == torch.float32 and torch.allclose(found.x, x / np.e, atol=1e-4)


def test_a_function_alone_is_a_flow():
    x = RANDOM.standard_normal((5, 2))
    assert np.array_equal(ode.solve(LINEAR.function, x).x, ode.solve(LINEAR, x).x)
    with pytest.raises(TypeError, match="field must be"):
        ode.solve(3, x)

import numpy as np
import pytest
import reference

import scorefield
from scorefield import Noise, divergences, losses, random

RANDOM = np.random.default_rng(7)
M, D = 23, 3


@pytest.fixture(params=["float32", "float64"])
def made(request):
    return lambda *shape: RANDOM.standard_normal(shape).astype(request.param)


def half(a):
    return 0.5 * (a.astype(np.float64) ** 2).sum(1)


def check(loss, values, gradients, dtype):
    """Every part of a result; gradients: of the mean, by each output."""
    reference.close(loss.values, values, dtype)
    reference.close(loss.mean, np.mean(values), dtype)
    reference.close(loss.standard_error, np.std(values, ddof=1) / len(values) ** 0.5, dtype)
    assert len(loss.gradients) == len(gradients)
    for ours, expected in zip(loss.gradients, gradients):
        reference.close(ours, np.broadcast_to(expected, ours.shape), dtype)


def test_esm_and_ism(made):
    s, p, t = made(M, D), made(M, D), made(M)
    check(losses.esm(s, p), half(s - p), [(s - p) / M], s.dtype)
    check(losses.ism(s, t), half(s) + t, [s / M, 1 / M], s.dtype)
    assert losses.esm(s, p, gradients=False).gradients == ()


@pytest.mark.parametrize("form", ["score", "epsilon", "x0", "v"])
def test_dsm(made, form):
    x, out, z = made(M, D), made(M, D), made(M, D)
    sigma = np.linspace(0.3, 1, M).astype(x.dtype)
    a = 0.8
    target = {"score": -z / sigma[:, None], "epsilon": z, "x0": x,
              "v": a * z - sigma[:, None] * x}[form]  # fmt: skip
    moved, compared = losses.dsm_perturb(x, z, sigma=sigma, signal_scale=a, form=form, target=True)
    reference.close(moved, a * x + sigma[:, None] * z, x.dtype)
    reference.close(compared, target, x.dtype)
    weights = sigma[:, None] ** 2
    found = losses.dsm(out, z, sigma=sigma, x=x, signal_scale=a, form=form, weighting=2)
    check(found, sigma**2 * half(out - target), [weights * (out - target) / M], x.dtype)
    again = losses.dsm(out, z, sigma=sigma, x=x, signal_scale=a, form=form, weighting=sigma**2)
    reference.close(again.values, found.values, x.dtype)


def test_noise_is_the_same_in_perturb_and_loss(made):
    x, out = made(M, D), made(M, D)
    noise = Noise(seed=5, offset=8, first_row=3)
    z = random.normal((M, D), noise, like=x)
    moved = losses.dsm_perturb(x, noise, sigma=0.5)
    reference.close(moved, x + 0.5 * z, x.dtype)
    by_words = losses.dsm(out, noise, sigma=0.5)
    given = losses.dsm(out, z, sigma=0.5)
    reference.close(by_words.values, given.values, x.dtype)
    part = losses.dsm(out[4:9], Noise(seed=5, offset=8, first_row=7), sigma=0.5)
    assert np.array_equal(part.values, by_words.values[4:9])


def test_ssm(made):
    s, products = made(M, D), made(2 * M, D)
    v = losses.ssm_probes(s, 9, projections=2, probe="gaussian").astype(np.float64).reshape(2, M, D)
    along = (v * s).sum(2)
    linear = (v * products.reshape(2, M, D)).sum(2)
    by_products = v.reshape(2 * M, D) / (2 * M)
    check(losses.ssm(s, products, 9, projections=2, probe="gaussian"),
          (0.5 * along**2 + linear).mean(0), [(along[..., None] * v).mean(0) / M, by_products],
          s.dtype)  # fmt: skip
    check(losses.ssm(s, products, 9, projections=2, probe="gaussian", variance_reduced=True),
          half(s) + linear.mean(0), [s / M, by_products], s.dtype)  # fmt: skip


def test_finite_differences(made):
    x = made(M, D)
    e = 0.5
    plus, minus = losses.fdssm_perturb(x, 4, epsilon=e)
    v = (plus.astype(np.float64) - minus) / 2
    assert np.allclose(np.linalg.norm(v, axis=1), e, rtol=1e-5)
    up, down = made(M, D), made(M, D)
    square, linear = ((up + down) ** 2).sum(1) / 8, D / (2 * e**2) * ((up - down) * v).sum(1)
    check(losses.fdssm(up, down, 4, epsilon=e), square + linear,
          [((up + down) / 4 + D / (2 * e**2) * v) / M, ((up + down) / 4 - D / (2 * e**2) * v) / M],
          x.dtype)  # fmt: skip
    middle, up, down = made(M), made(M), made(M)
    f = D / e**2
    check(
        losses.fdssm_energy(middle, up, down, dimension=D, epsilon=e),
        f * ((up - down) ** 2 / 8 + 2 * middle - up - down),
        [2 * f / M, f * ((up - down) / 4 - 1) / M, f * (-(up - down) / 4 - 1) / M],
        x.dtype,
    )
    z, direction = made(M, D), made(M, D)
    plus, minus = losses.fddsm_perturb(x, z, sigma=0.7, epsilon=e, direction=direction)
    n = (plus.astype(np.float64) - minus) / 2
    assert np.allclose(np.linalg.norm(n, axis=1), e * D**0.5, rtol=1e-5)
    inner = 0.49 * (up.astype(np.float64) - down) / 2 + 0.7 * (z * n).sum(1)
    check(
        losses.fddsm(up, down, z, dimension=D, sigma=0.7, epsilon=e, direction=direction),
        inner**2 / (2 * e**2),
        [inner * 0.49 / 2 / e**2 / M, -inner * 0.49 / 2 / e**2 / M],
        x.dtype,
    )


def test_dde(made):
    s, p, z = made(M, D), made(M, D), made(M, D)
    residual = s + z / 0.5
    check(losses.dde(s, z, sigma=0.5, weighting=2), 0.25 * 2 * half(residual),
          [0.25 * 2 * residual / M], s.dtype)  # fmt: skip
    reference.close(losses.dde_direction(s, p), p - s, s.dtype)


def test_mask_and_scales(made):
    s, p = made(M, D), made(M, D)
    mask = np.arange(M) % 3 > 0
    found = losses.esm(s, p, mask=mask, per_dimension=True, gradient_scale=4.0)
    values = half(s - p) / D
    reference.close(found.mean, values[mask].mean(), s.dtype)
    expected = 4 * (s - p) / D / mask.sum() * mask[:, None]
    reference.close(found.gradients[0], expected, s.dtype)


def test_kde_losses(made):
    data, x = made(60, D), made(M, D)
    kde, other = scorefield.KDE(data, 0.7), scorefield.KDE(data[:30], 0.9)
    expected = losses.esm(kde.score(x), other.score(x)).mean
    found = losses.kde_loss(kde, x, "esm", data_kde=other)
    reference.close(found.mean, expected, x.dtype)
    assert losses.kde_loss(kde, x).mean == pytest.approx(-kde.log_density(x).mean(), rel=1e-5)
    up, down = (losses.kde_loss(kde, x, bandwidth=0.7 * np.exp(e)).mean for e in (1e-2, -1e-2))
    slope = losses.kde_loss(kde, x).log_bandwidth_gradient
    assert slope == pytest.approx((up - down) / 2e-2, rel=1e-3, abs=1e-3)
    skip = np.arange(60)
    reference.close(losses.kde_dde_direction(kde, other, data, generator_skip=skip),
                    other.score(data) - kde.score(data, skip=skip), x.dtype)  # fmt: skip


def test_divergences(made):
    log_p, log_q, s_p, s_q = made(M), made(M), made(M, D), made(M, D)
    dtype = log_p.dtype
    r = log_p.astype(np.float64) - log_q
    fisher = divergences.fisher(s_p, s_q, gradients=True)
    reference.close(fisher.value, half(s_p - s_q).mean(), dtype)
    reference.close(fisher.integrand, half(s_p - s_q), dtype)
    reference.close(fisher.score_q_gradient, (s_q - s_p) / M, dtype)
    kl = divergences.kl(log_p, log_q, gradients=True)
    reference.close(kl.value, r.mean(), dtype)
    reference.close(kl.standard_error, r.std(ddof=1) / M**0.5, dtype)
    reference.close(kl.log_q_gradient, np.full(M, -1 / M), dtype)
    reference.close(divergences.kls(log_p, log_q).value, (r**2).mean() / 2, dtype)
    f2 = divergences.f2(log_p, log_q, s_p, s_q, cotangent=np.ones(D, dtype))
    reference.close(f2.value, (r[:, None] * (s_p - s_q)).mean(0), dtype)
    reference.close(f2.log_q_gradient, -(s_p - s_q).sum(1) / M, dtype)
    log_m = np.logaddexp(log_p, log_q) - np.log(2)
    js = divergences.js((log_p, log_q), (log_p[:9], log_q[:9]))
    expected = 0.5 * (log_p - log_m).mean() + 0.5 * (log_q - log_m)[:9].mean()
    reference.close(js.value, expected, dtype)
    jf = divergences.jf((log_p, log_q, s_p, s_q), (log_p, log_q, s_p, s_q), gradients=True)
    share = 1 / (1 + np.exp(-r))[:, None]
    s_m = share * s_p + (1 - share) * s_q
    reference.close(jf.value, 0.5 * half(s_p - s_m).mean() + 0.5 * half(s_q - s_m).mean(), dtype)
    assert jf.score_q_gradient[1].shape == (M, D)
    f, moved = made(M, 2), made(M, 2)
    variance = divergences.local_variance(s_p, moved, f, gradients=True)
    scale = (s_p.astype(np.float64) ** 2).sum(1).mean()
    reference.close(variance.value, ((moved - f) ** 2).sum(1).mean() / scale, dtype)
    reference.close(variance.f_gradient, -2 * (moved - f) / scale / M, dtype)


def test_kde_divergences(made):
    p, q, x, y = made(60, D), made(50, D), made(M, D), made(11, D)
    p, q = scorefield.KDE(p, 0.7), scorefield.KDE(q, 0.9)
    for name, expected in (
        ("fisher", divergences.fisher(p.score(x), q.score(x)).value),
        ("kl", divergences.kl(p.log_density(x), q.log_density(x)).value),
        ("kls", divergences.kls(p.log_density(x), q.log_density(x)).value),
    ):
        reference.close(divergences.kde_divergence(name, p, q, x).value, expected, x.dtype)
    found = divergences.kde_divergence("js", p, q, x, y)
    at = [(k.log_density(x), k.log_density(y)) for k in (p, q)]
    expected = divergences.js((at[0][0], at[1][0]), (at[0][1], at[1][1])).value
    reference.close(found.value, expected, x.dtype)
    assert found.y_integrand.shape == (11,)


def test_random_numbers(made):
    like = made(1, 1)
    normal = random.normal((4000, 5), 3, like=like)
    assert normal.dtype == like.dtype and abs(normal.mean()) < 5 / 20000**0.5
    uniform = random.uniform((4000, 5), 3, like=like)
    assert 0 < uniform.min() and uniform.max() <= 1
    assert set(np.unique(random.rademacher((50, 5), 3, like=like))) == {-1, 1}
    radii = np.linalg.norm(random.sphere((50, 5), 3, 2.5, like=like), axis=1)
    assert np.allclose(radii, 2.5, rtol=1e-5)
    bits = random.bits((4, 6), Noise(seed=3, offset=2))
    assert bits.dtype == np.uint32 and np.array_equal(bits[:, :4], random.bits((4, 6), 3)[:, 2:])


def test_seeds_are_whole_numbers():
    x = np.ones((4, 2))
    for wrong in (1.9, None, np.float64(1.0), "1"):
        with pytest.raises((TypeError, ValueError)):
            losses.dsm_perturb(x, wrong, sigma=1.0)
    with pytest.raises(TypeError):
        Noise(seed=1.9)
    expected = losses.dsm_perturb(x, 3, sigma=1.0)
    assert np.array_equal(losses.dsm_perturb(x, Noise(np.int64(3)), sigma=1.0), expected)
    assert np.array_equal(losses.dsm_perturb(x, np.int64(3), sigma=1.0), expected)
    with pytest.raises(TypeError):
        losses.ssm(x, x, projections=1.9)


def test_divergences_of_nothing():
    with pytest.raises(TypeError, match="kl needs log_p, log_q, got None for log_p, log_q"):
        divergences.kl(None, None)
    with pytest.raises(TypeError, match="got None for log_p"):
        divergences.kl(None, np.ones(3))
    with pytest.raises(TypeError, match="None for all"):
        divergences.js((np.ones(3), np.ones(3)), (None, None))


def test_errors(made):
    s = made(M, D)
    with pytest.raises(scorefield.InvalidArgument, match="sigma"):
        losses.dsm(s, 0, sigma=-1.0)
    with pytest.raises(ValueError, match="form must be one of"):
        losses.dsm(s, 0, sigma=1.0, form="nonsense")
    with pytest.raises(ValueError, match="data_score must have shape"):
        losses.esm(s, s[:-1])
    with pytest.raises(ValueError, match="seed must be in"):
        losses.dsm(s, -1, sigma=1.0)
    with pytest.raises(ValueError, match="products must have shape"):
        losses.ssm(s, s, projections=2)

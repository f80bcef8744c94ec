import numpy as np
import pytest
import reference

import scorefield
from scorefield import SDE, _library, samplers, schedules

RANDOM = np.random.default_rng(9)
M, D = 19, 3


@pytest.fixture(params=["float32", "float64"])
def made(request):
    return lambda *shape: RANDOM.standard_normal(shape).astype(request.param)


def test_schedules():
    levels = schedules.geometric(10, 0.1, 5)
    assert np.allclose(levels, [10, 10**0.5, 1, 10**-0.5, 0.1])
    karras = schedules.karras(80, 0.002, 18)
    i = np.arange(18) / 17
    assert np.allclose(karras[:-1], (80 ** (1 / 7) + i * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7)
    assert karras[-1] == 0
    betas = schedules.beta_linear()
    assert np.allclose(schedules.alpha_bar(betas), np.cumprod(1 - betas))
    assert schedules.beta_cosine(50).shape == (50,) and schedules.beta_cosine(50).max() <= 0.999
    assert list(schedules.strided(1000, 50)[:3]) == [980, 960, 940]
    t = np.array([[0.0, 0.25], [0.5, 1.0]])
    vp = SDE("vp").at(t)
    total = 0.1 * t + t**2 * 19.9 / 2
    assert vp.sigma.shape == (2, 2) and np.allclose(vp.sigma**2, 1 - np.exp(-total))
    assert np.allclose(vp.diffusion**2, 0.1 + t * 19.9) and np.allclose(
        vp.drift, -(vp.diffusion**2) / 2
    )
    ve = SDE("ve", sigma_min=0.1, sigma_max=10).at(t)
    assert np.allclose(ve.sigma, 0.1 * 100**t) and np.all(ve.signal_scale == 1)
    schedule = schedules.sampler_schedule("em", "vp", 7)
    assert schedule.steps() == 7 and schedule.diffusions.shape == (7,)
    with pytest.raises(scorefield.InvalidArgument):
        schedules.geometric(-1, 1, 3)
    with pytest.raises(scorefield.Unsupported):
        schedules.sampler_schedule("smld", "vp", 5)


def test_steps(made):
    x, s, z = made(M, D), made(M, D), made(M, D)
    dtype = x.dtype
    reference.close(
        samplers.langevin_step(x, s, z, step_size=0.1), x + 0.1 * s + 0.2**0.5 * z, dtype
    )
    sigma, low = 0.8, 0.5
    x0 = x + sigma**2 * s
    reference.close(samplers.denoise_step(x, s, sigma=sigma), x0, dtype)
    b = sigma**2 - low**2
    ancestral = b / sigma**2 * x0 + low**2 / sigma**2 * x + (b * low**2 / sigma**2) ** 0.5 * z
    found, clean = samplers.ancestral_step(x, s, z, sigma=sigma, next_sigma=low, denoised=True)
    reference.close(found, ancestral, dtype)
    reference.close(clean, x0, dtype)
    euler = x0 + low * (x - x0) / sigma
    reference.close(samplers.ddim_step(x, s, sigma=sigma, next_sigma=low), euler, dtype)
    each = np.full(M, sigma)
    reference.close(samplers.ddim_step(x, s, sigma=each, next_sigma=low), euler, dtype)
    reference.close(samplers.reverse_diffusion_step(x, s, z, sigma=sigma, next_sigma=low),
                    x + b * s + b**0.5 * z, dtype)  # fmt: skip
    reference.close(samplers.euler_maruyama_step(x, s, z, drift=-0.5, diffusion=2.0, interval=0.01),
                    x + (0.5 * x + 4 * s) * 0.01 + 0.2 * z, dtype)  # fmt: skip
    e = 2 * (0.16 * sigma) ** 2
    reference.close(
        samplers.corrector_step(x, s, z, sigma=sigma), x + e * s + (2 * e) ** 0.5 * z, dtype
    )
    reference.close(samplers.churn_step(x, z, sigma=low, next_sigma=sigma), x + b**0.5 * z, dtype)
    at_next = made(M, D)
    moved = euler + low**2 * at_next
    heun = euler + (low - sigma) / (2 * low) * (x0 - moved)
    reference.close(samplers.heun_step(euler.astype(dtype), at_next, x0.astype(dtype), sigma=sigma,
                                       next_sigma=low), heun, dtype)  # fmt: skip
    first, x0_first = samplers.dpmpp_step(x, s, sigma=sigma, next_sigma=low)
    reference.close(first, low / sigma * x + (1 - low / sigma) * x0, dtype)
    second, _ = samplers.dpmpp_step(first, at_next, x0_first, sigma=low, next_sigma=0.2,
                                    before_sigma=sigma)  # fmt: skip
    q = np.log(sigma / low) / np.log(low / 0.2)
    now = first + low**2 * at_next
    blend = (1 + 1 / (2 * q)) * now - x0 / (2 * q)
    reference.close(second, 0.2 / low * first + (1 - 0.2 / low) * blend, dtype)
    epsilon = samplers.convert_output(x, s, "score", "epsilon", sigma=sigma)
    reference.close(epsilon, -sigma * s, dtype)
    known = x[0].copy()
    known[1] = np.nan
    put = samplers.known_step(x, known, z, sigma=0.1)
    reference.close(put[:, 1], x[:, 1], dtype)
    reference.close(put[:, 0], known[0] + 0.1 * z[:, 0], dtype)


METHODS = {"smld": "ve", "ddpm": "vp", "ddim": "vp", "pc": "ve", "em": "vp", "edm": "ve",
           "dpmpp": "ve"}  # fmt: skip


@pytest.mark.parametrize("method, sde", METHODS.items())
def test_samplers_find_the_data(method, sde):
    """A KDE's exact score, from the prior to two modes at -2 and 2."""
    data = np.array([[-2.0, 0.0]] * 20 + [[2.0, 0.0]] * 20)
    kde = scorefield.KDE(data, 0.1)
    sde = SDE("ve", sigma_min=0.02, sigma_max=20) if sde == "ve" else sde
    found = samplers.sample(
        kde,
        (400, 2),
        method,
        sde=sde,
        steps=100,
        noise=1,
        **({"corrector_steps": 3} if method in ("smld", "pc") else {}),
    )
    assert found.steps_done == 100 and found.status == () and found.failed_step == -1
    assert np.mean(np.abs(np.abs(found.x[:, 0]) - 2) < 0.6) > 0.95
    assert 0.35 < np.mean(found.x[:, 0] > 0) < 0.65
    assert np.abs(found.x[:, 1]).mean() < 0.3


def test_runs_in_parts_and_trajectories():
    kde = scorefield.KDE(RANDOM.standard_normal((40, 2)), 0.4)
    options = dict(sde="ve", steps=12, noise=4)
    whole = samplers.sample(kde, (9, 2), "dpmpp", trajectory=True, trajectory_every=3, **options)
    assert whole.trajectory.shape == (5, 9, 2) and np.array_equal(whole.trajectory[-1], whole.x)
    first = samplers.sample(kde, (9, 2), "dpmpp", stop_step=5, **options)
    assert first.steps_done == 5
    rest = samplers.sample(kde, first.x, "dpmpp", first_step=5, previous=first.previous, **options)
    assert np.array_equal(rest.x, whole.x)


def test_x_is_left_alone_and_forms_agree(made):
    x = made(M, D) * 50
    before = x.copy()
    options = dict(sde="ve", steps=10)

    def score(x, level):
        return -x / (1 + level.sigma**2)

    def epsilon(x, level):
        return -level.sigma * score(x, level)

    by_score = samplers.sample(score, x, "ddim", **options).x
    by_epsilon = samplers.sample(epsilon, x, "ddim", form="epsilon", **options).x
    assert np.array_equal(x, before) and by_score.dtype == x.dtype
    assert np.allclose(by_score, by_epsilon, rtol=1e-4, atol=1e-5)


def test_guidance_known_and_labels():
    data = np.concatenate([np.full((20, 2), -2.0), np.full((20, 2), 2.0)])
    labels = np.repeat([0, 1], 20)
    kde = scorefield.KDE(data, 0.1, labels=labels)
    options = dict(sde=SDE("ve", sigma_min=0.02, sigma_max=20), steps=60)
    right = samplers.sample(kde, (50, 2), "pc", labels=np.ones(50, int), **options).x
    assert np.all(right[:, 0] > 1)
    known = samplers.sample(kde, (50, 2), "pc", known=[2.0, np.nan], corrector_steps=3, **options).x
    assert np.mean(known[:, 1] > 1) > 0.9
    pushed = samplers.sample(
        kde, (50, 2), "pc", guidance=lambda x, level: np.full_like(x, 5.0), **options
    ).x
    assert np.mean(pushed[:, 0] > 1) > 0.9
    matched = samplers.sample(kde, (50, 2), "dpmpp", start="matched", **options).x
    assert np.mean(np.abs(np.abs(matched) - 2) < 0.6) > 0.95


def test_frameworks_come_back(made):
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(made(M, D))
    asked = []

    def model(x, level):
        asked.append((type(x), x.dtype, level.sigma.shape, level.sigma.dtype))
        return -x / (1 + level.sigma**2)

    found = samplers.sample(model, x, "edm", sde="ve", steps=5)
    assert isinstance(found.x, torch.Tensor) and found.x.dtype == x.dtype
    assert set(asked) == {(torch.Tensor, x.dtype, (M, 1), x.dtype)}
    by_numpy = samplers.sample(model, x.numpy(), "edm", sde="ve", steps=5)
    assert np.allclose(found.x.numpy(), by_numpy.x, rtol=1e-4, atol=1e-4)
    assert isinstance(
        samplers.sample(model, (4, 2), "edm", sde="ve", steps=5, like=x).x, torch.Tensor
    )


def test_errors():
    kde = scorefield.KDE(RANDOM.standard_normal((40, 2)), 0.4)
    with pytest.raises(ValueError, match="either a schedule or sde and steps"):
        samplers.sample(kde, (3, 2))
    with pytest.raises(TypeError, match="unexpected arguments: nonsense"):
        samplers.sample(kde, (3, 2), sde="ve", steps=3, nonsense=1)
    with pytest.raises(ValueError, match="method must be one of"):
        samplers.sample(kde, (3, 2), "nonsense", sde="ve", steps=3)
    schedule = schedules.Schedule(sigmas=np.array([1.0, 0.5]), times=np.array([1.0]))
    with pytest.raises(ValueError, match=r"schedule.times must have shape \(2,\)"):
        samplers.sample(kde, (3, 2), schedule=schedule)
    with pytest.raises(scorefield.InvalidArgument):
        samplers.sample(kde, (3, 2), schedule=schedules.Schedule(sigmas=np.array([0.5, 1.0])))


def test_steps_refuse_what_they_do_not_know():
    x = np.ones((3, 2))
    with pytest.raises(TypeError, match="unexpected argument 'sgima'"):
        samplers.langevin_step(x, x, step_size=0.1, sgima=1.0)
    with pytest.raises(TypeError, match="unexpected argument 'bogus'"):
        samplers.euler_maruyama_step(x, x, diffusion=1.0, interval=0.1, bogus=1.0)
    with pytest.raises(TypeError, match="unexpected argument 'eta'"):
        samplers.corrector_step(x, x, sigma=1.0, eta=1.0)
    with pytest.raises(AttributeError, match="bogus"):
        _library.struct("step_params", bogus=1)


def test_numbers_of_a_run():
    schedule = {"sde": "ve", "steps": 3}
    with pytest.raises(TypeError, match="integer"):
        samplers.sample(lambda x, level: -x, (3, 2), corrector_steps=1.9, **schedule)
    kept = samplers.sample(lambda x, level: -x, (3, 2), "ddim", clip=None, **schedule).x
    assert np.array_equal(kept, samplers.sample(lambda x, level: -x, (3, 2), "ddim", **schedule).x)

import numpy as np
import pytest
import reference

torch = pytest.importorskip("torch")
import scorefield  # noqa: E402
import scorefield.torch as st  # noqa: E402
from scorefield import _direct, losses, ode  # noqa: E402

M, D = 6, 3
GENERATOR = torch.Generator().manual_seed(5)


def made(*shape, grad=True, dtype=torch.float64):
    return torch.randn(*shape, generator=GENERATOR, dtype=dtype).requires_grad_(grad)


def plain(*shape):
    return made(*shape, grad=False)


MASK = torch.tensor([True, True, False, True, False, True])
SIGMA = torch.linspace(0.4, 1.2, M, dtype=torch.float64)

# Name: (loss of its differentiated inputs, shapes of these). Fixed arguments are drawn once.
DATA, X, Z, V = plain(M, D), plain(M, D), plain(M, D), plain(M, D)
LOSSES = {
    "esm": (lambda s, **o: st.esm_loss(s, DATA, **o), [(M, D)]),
    "ism": (st.ism_loss, [(M, D), (M,)]),
    "dsm": (lambda s, **o: st.dsm_loss(s, 3, sigma=SIGMA, weighting=2, **o), [(M, D)]),
    "dsm epsilon": (lambda s, **o: st.dsm_loss(s, Z, sigma=0.5, form="epsilon", **o), [(M, D)]),
    "dsm v": (
        lambda s, **o: st.dsm_loss(s, Z, sigma=SIGMA, x=X, form="v", weighting=SIGMA, **o),
        [(M, D)],
    ),
    "ssm": (lambda s, h, **o: st.ssm_loss(s, h, 4, projections=2, **o), [(M, D), (2 * M, D)]),
    "ssm-vr": (
        lambda s, h, **o: st.ssm_loss(s, h, 4, variance_reduced=True, **o), [(M, D), (M, D)]
    ),
    "fdssm energy": (
        lambda e, p, m, **o: st.fdssm_energy_loss(e, p, m, dimension=D, epsilon=0.4, **o),
        [(M,), (M,), (M,)],
    ),
    "fdssm": (lambda p, m, **o: st.fdssm_loss(p, m, 4, epsilon=0.4, **o), [(M, D), (M, D)]),
    "fddsm": (
        lambda p, m, **o: st.fddsm_loss(p, m, 4, dimension=D, sigma=SIGMA, epsilon=0.4, **o),
        [(M,), (M,)],
    ),
    "dde": (lambda s, **o: st.dde_loss(s, 4, sigma=SIGMA, weighting=2, **o), [(M, D)]),
}  # fmt: skip
OPTIONS = {
    "mean": {},
    "masked": {"mask": MASK, "per_dimension": True},
    "none": {"reduction": "none"},
    "none, masked": {"reduction": "none", "mask": MASK, "per_dimension": True},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("name", LOSSES)
def test_losses_gradcheck(name, options):
    loss, shapes = LOSSES[name]
    inputs = [made(*shape) for shape in shapes]
    assert torch.autograd.gradcheck(lambda *a: loss(*a, **options), inputs)
    assert torch.autograd.gradgradcheck(lambda *a: loss(*a, **options), inputs)


FLOATS = ("ism", "ssm-vr", "fdssm energy", "fdssm")  # those without fixed arguments of float64
BOTH = [(name, torch.float64) for name in LOSSES] + [(name, torch.float32) for name in FLOATS]


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("name, dtype", BOTH)
def test_the_direct_way_is_the_general_one(name, dtype, options, monkeypatch):
    """To the bit, and it is taken: but where the caller's own noise or several probes are."""
    loss, shapes = LOSSES[name]
    direct, taken, results = _direct.loss, [], []

    def recorded(*arguments):
        found = direct(*arguments)
        taken.append(found is not None)
        return found

    inputs = [made(*shape, dtype=dtype) for shape in shapes]
    for way in (recorded, lambda *_: None):
        monkeypatch.setattr(_direct, "loss", way)
        value = loss(*inputs, **options)
        given = torch.autograd.grad(value.sum(), inputs)
        results.append([value, *given])
    assert taken == [name not in ("dsm epsilon", "dsm v", "ssm")]
    assert all(torch.equal(a, b) for a, b in zip(*results))


def test_perturbations_directly(monkeypatch):
    x, options = plain(M, D), {"sigma": SIGMA, "signal_scale": 0.9}
    at = scorefield.Noise(7, offset=8, first_row=3)

    def every():
        return [losses.dsm_perturb(x, at, **options), losses.ssm_probes(x, at, probe="sphere"),
                *losses.dsm_perturb(x, at, target=True, form="v", **options),
                *losses.fdssm_perturb(x, 5, epsilon=0.1),
                *losses.fddsm_perturb(x, 5, sigma=0.5, epsilon=0.1)]  # fmt: skip

    found = every()
    monkeypatch.setattr(_direct, "perturb", lambda *_: None)
    assert all(torch.equal(a, b) for a, b in zip(found, every()))


@pytest.mark.parametrize("mask", [None, MASK])
def test_weighted_means(mask):
    """Of every loss that has no weighting of its own: the mean of the weighted values."""
    weights = torch.linspace(0.5, 2, M, dtype=torch.float64)
    if mask is not None:
        weights[~mask] = float("nan")
    counted = torch.ones(M, dtype=torch.bool) if mask is None else mask
    for name in ("esm", "ism", "ssm", "ssm-vr", "fdssm", "fdssm energy", "fddsm"):
        loss, shapes = LOSSES[name]
        inputs = [made(*shape) for shape in shapes]
        values = loss(*inputs, reduction="none", mask=mask)[counted] * weights[counted]
        weighted = loss(*inputs, weighting=weights, mask=mask)
        assert torch.allclose(weighted, values.mean())
        ours, theirs = (torch.autograd.grad(value, inputs) for value in (weighted, values.mean()))
        assert all(torch.allclose(a, b) for a, b in zip(ours, theirs))
        each = loss(*inputs, weighting=weights, mask=mask, reduction="none")
        assert torch.allclose(each[counted], values)
    s = made(M, D)
    assert torch.autograd.gradgradcheck(
        lambda s: st.esm_loss(s, DATA, weighting=weights, mask=mask), [s]
    )
    with pytest.raises(ValueError, match="weighting must have shape"):
        st.esm_loss(s, DATA, weighting=weights[1:])


def test_half_precision_and_negative_views():
    output = made(M, D, dtype=torch.float32).detach().bfloat16().requires_grad_()
    loss = st.dsm_loss(output, 3, sigma=0.5)
    assert loss.dtype == torch.float32 and loss.item() == st.dsm_loss(
        output.float(), 3, sigma=0.5).item()  # fmt: skip
    loss.backward()
    assert output.grad.dtype == torch.bfloat16 and output.grad.abs().sum() > 0
    flipped = losses.esm(X._neg_view(), DATA)
    assert torch.equal(flipped.values, losses.esm(-X, DATA).values)
    kde = scorefield.KDE(DATA, 0.5)
    assert torch.equal(kde.score(X._neg_view()), kde.score(-X))
    with pytest.raises(TypeError, match="must be dense"):
        losses.esm(X.to_sparse(), DATA)


def test_losses_are_those_of_the_functions():
    s = made(M, D)
    assert st.esm_loss(s, DATA).item() == losses.esm(s.detach(), DATA).mean.item()
    values = st.dsm_loss(s, 3, sigma=0.5, reduction="none")
    assert torch.equal(values.detach(), losses.dsm(s.detach(), 3, sigma=0.5).values)
    with pytest.raises(ValueError, match="reduction must be"):
        st.esm_loss(s, DATA, reduction="sum")
    with pytest.raises(scorefield.InvalidArgument, match="sigma"):
        st.dsm_loss(s, 3, sigma=-0.5)


def small_network():
    torch.manual_seed(2)
    return torch.nn.Sequential(
        torch.nn.Linear(D, 8), torch.nn.Tanh(), torch.nn.Linear(8, D)
    ).double()


def test_losses_of_models():
    """As written in PyTorch alone, to the parameters' gradients."""
    network, x = small_network(), plain(M, D)
    v = losses.ssm_probes(x, 4)

    def gradients(loss):
        return torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, network.parameters())])

    jacobian = torch.stack([
        torch.autograd.functional.jacobian(network, row, create_graph=True) for row in x
    ])  # fmt: skip
    products = torch.einsum("mij,mj->mi", jacobian, v)
    expected = 0.5 * (network(x) * v).sum(1) ** 2 + (v * products).sum(1)
    ours = st.ssm(network, x, 4)
    assert torch.allclose(ours, expected.mean(), atol=1e-12)
    assert torch.allclose(gradients(ours), gradients(expected.mean()), atol=1e-12)
    moved = losses.dsm_perturb(x, 4, sigma=0.5)
    expected = 0.5 * ((network(moved) + (moved - x) / 0.25) ** 2).sum(1).mean()
    ours = st.dsm(network, x, 4, sigma=0.5)
    assert torch.allclose(gradients(ours), gradients(expected), atol=1e-12)
    plus, minus = losses.fdssm_perturb(x, 4, epsilon=0.1)
    step, up, down = (plus - minus) / 2, network(plus), network(minus)
    expected = ((up + down) ** 2).sum(1) / 8 + D / 0.02 * ((up - down) * step).sum(1)
    ours = st.fdssm(network, x, 4, epsilon=0.1)
    assert torch.allclose(gradients(ours), gradients(expected.mean()), atol=1e-10)
    several = st.ssm(network, x, 4, projections=3, variance_reduced=True)
    assert torch.isfinite(gradients(several)).all()


@pytest.mark.parametrize("bandwidth", ["number", "shared", "each"])
def test_kde_gradcheck(bandwidth):
    data, x, log_weights = made(9, D), made(M, D), made(9)
    h = {
        "number": 0.7,
        "shared": torch.tensor(0.7, dtype=torch.float64, requires_grad=True),
        "each": torch.linspace(0.5, 1, M, dtype=torch.float64).requires_grad_(),
    }[bandwidth]
    given = [h] if isinstance(h, torch.Tensor) else []

    def log_density(x, data, log_weights, h=0.7):
        return st.KDE(data, h, log_weights=log_weights).log_density(x)

    def score(x, data, log_weights, h=0.7):
        return st.KDE(data, h, log_weights=log_weights).score(x)

    for function in (log_density, score):
        assert torch.autograd.gradcheck(function, (x, data, log_weights, *given))
    kde = st.KDE(data.detach(), h.detach() if given else h)
    assert torch.autograd.gradgradcheck(kde.log_density, (x,))

    u = made(M, D)
    (products,) = torch.autograd.grad(kde.score(x), x, u, create_graph=True)
    with pytest.raises(NotImplementedError, match="up to the second order"):
        torch.autograd.grad(products.sum(), x)


def test_kde_values_and_options():
    data, x = plain(20, D), plain(M, D)
    kde = st.KDE(data, 0.5)
    density, score, _, _ = reference.kde(data, x, 0.5)
    reference.close(kde.log_density(x), density, "float64")
    reference.close(kde.score(x), score, "float64")
    halves = kde.score(x, bandwidth=torch.full((M,), 0.25, dtype=torch.float64))
    assert torch.allclose(halves, kde.score(x, bandwidth=0.25))
    own = st.KDE(data, 0.5).log_density(data, skip=torch.arange(20))
    reference.close(own[0], reference.kde(data[1:], data[:1], 0.5)[0][0], "float64")


def test_bandwidth_by_gradient_descent():
    """The likelihood, each datum left out, falls to where the fit finds it."""
    data = torch.randn(80, 2, dtype=torch.float64, generator=GENERATOR)
    log_h = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([log_h], lr=0.05)
    for _ in range(200):
        loss = -st.KDE(data, log_h.exp()).log_density(data, skip=torch.arange(80)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    fitted = scorefield.KDE.fit(data)
    assert log_h.exp().item() == pytest.approx(fitted.bandwidth, rel=1e-2)


def test_fields_of_networks():
    """Divergence, jvp and vjp by autograd: those of a Gaussian's score, known in closed form."""

    def model(x, level):
        variance = level.signal_scale**2 * torch.tensor([1.0, 4.0], dtype=x.dtype) + level.sigma**2
        return -x / variance

    x = torch.randn(9, 2, dtype=torch.float64, generator=GENERATOR)
    flow = st.probability_flow(model, "vp")
    normal = torch.distributions.Normal(0.0, torch.tensor([1.0, 2.0], dtype=torch.float64))
    exact = normal.log_prob(x).sum(1)
    found = ode.log_likelihood(flow, x)
    assert torch.allclose(found.log_density, exact, atol=2e-3)
    estimate = ode.log_likelihood(flow, x, trace="hutchinson", probes=20)
    assert torch.allclose(estimate.log_density, exact, atol=2e-3)
    g = torch.zeros(2, 9, 2, dtype=torch.float64)
    g[1] = 1.0
    gradient = ode.adjoint(flow, x, g).gradient
    step = 1e-4
    moved = [ode.solve(flow, x + sign * step, rtol=1e-9, atol=1e-9).x.sum(1) for sign in (1, -1)]
    assert torch.allclose(gradient.sum(1), (moved[0] - moved[1]) / (2 * step), atol=1e-3)


def test_float32_trains():
    network = small_network().float()
    x = made(64, D, grad=False, dtype=torch.float32)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    first = None
    for step in range(200):
        loss = st.dsm(network, x, step, sigma=0.5)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        first = first or loss.item()
    assert loss.dtype == torch.float32 and loss.item() < 0.7 * first


def test_tensors_on_the_cpu_only_touch_the_cpu():
    assert np.shares_memory(X.numpy(), X.detach().numpy())
    assert not torch.cuda.is_initialized()


@pytest.mark.parametrize("mask", [[1, 1, 0, 2, 0, 256], torch.tensor([1, 1, 0, 2, 0, 256]),
                                  [0.5, 1.0, 0.0, 1.0, 0.0, -1.0]])  # fmt: skip
@pytest.mark.parametrize("options", [{}, {"reduction": "none"}, {"weighting": SIGMA}])
def test_masks_that_are_not_bool(mask, options):
    loss, shapes = LOSSES["esm"]
    s = made(*shapes[0])
    found, expected = loss(s, mask=mask, **options), loss(s, mask=MASK, **options)
    assert torch.equal(found, expected)
    (ours,) = torch.autograd.grad(found.sum(), s, create_graph=True)
    (theirs,) = torch.autograd.grad(expected.sum(), s)
    assert torch.equal(ours, theirs)
    (second,) = torch.autograd.grad((ours**2).sum(), s)
    assert torch.all(second[~MASK] == 0) and torch.all(second[MASK] != 0)


def test_a_kde_follows_its_parameters():
    """After a step of an optimiser; what was evaluated before keeps the data of then."""
    data, weights, x = made(7, D), made(7), made(M, D)
    kde = st.KDE(data, 0.6, log_weights=weights)
    first = kde.prepared
    assert kde.score(x).shape == (M, D) and kde.prepared is first
    pending = kde.score(x)
    (expected,) = torch.autograd.grad(pending.sum(), x, retain_graph=True)
    with torch.no_grad():
        data += 1.0
    new = st.KDE(data, 0.6, log_weights=weights)
    assert torch.equal(kde.log_density(x), new.log_density(x)) and kde.prepared is not first
    (kept,) = torch.autograd.grad(pending.sum(), x)
    assert torch.equal(kept, expected)
    with torch.no_grad():
        weights[0] += 3.0
    new = st.KDE(data, 0.6, log_weights=weights)
    assert torch.equal(kde.log_density(x), new.log_density(x))
    (ours,) = torch.autograd.grad(kde.log_density(x).sum(), data)
    (theirs,) = torch.autograd.grad(new.log_density(x).sum(), data)
    assert torch.equal(ours, theirs)
    with torch.inference_mode():
        assert st.KDE(data.clone(), 0.6).log_density(x).shape == (M,)


def test_data_without_gradients_may_change_before_backward():
    data, x = plain(7, D), made(M, D)
    kde = st.KDE(data, 0.6)
    pending = kde.log_density(x).sum()
    (expected,) = torch.autograd.grad(pending, x, retain_graph=True)
    data += 1.0
    assert torch.equal(torch.autograd.grad(pending, x)[0], expected)


def test_a_kde_of_no_queries():
    data, weights, x = made(7, D), made(7), made(0, D)
    h = torch.tensor(0.6, dtype=torch.float64, requires_grad=True)
    kde = st.KDE(data, h, log_weights=weights)
    for value in (kde.log_density(x), kde.score(x)):
        gradients = torch.autograd.grad(value.sum(), (x, h, data, weights))
        for gradient, tensor in zip(gradients, (x, h, data, weights)):
            assert torch.equal(gradient, torch.zeros_like(tensor))

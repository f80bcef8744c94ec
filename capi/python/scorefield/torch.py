"""scorefield under PyTorch's autograd: losses of a model's outputs and of whole models, a KDE's
log-density and score, and fields for scorefield.ode from a network.

Every loss is quadratic in the model's outputs, so its gradient is affine, and double backward is
exact to all orders. Of a KDE, log_density and score are differentiable by x (to the second and the
first order), by the bandwidth, the data and the log-weights (once).
"""

from typing import Any, Callable, Optional, Union

import torch
from torch import Tensor

from . import _direct, losses
from .kde import KDE as _PreparedKDE
from .ode import ProbabilityFlow
from .samplers import Level

_HALVES = (torch.float16, torch.bfloat16)
_MEAN, _VALUES = ("mean",), ("values",)

# ---- Losses of outputs --------------------------------------------------------------------------
# Each takes also mask ([m]: False or 0 leaves a sample out), per_dimension (values divided by d),
# reduction: "mean", or "none" for every sample's [m], and, but for DSM and DDE, which have their
# own, weighting ([m]: a factor of each sample's loss). Outputs in half precision, of autocast, are
# taken as float32.


class _Quadratic(torch.autograd.Function):
    """A loss in one fused call: the mean, or the values [m]."""

    @staticmethod
    def forward(ctx, evaluate, hessian_product, *outputs):
        result, gradients, ctx.factors = evaluate()
        ctx.hessian_product = hessian_product
        ctx.count = len(outputs)
        ctx.save_for_backward(*outputs, *gradients)
        return result

    @staticmethod
    def backward(ctx, cotangent):
        saved = ctx.saved_tensors
        outputs, gradients = saved[: ctx.count], saved[ctx.count :]
        if torch.is_grad_enabled():  # double backward is to come
            gradients = _Gradient.apply(ctx.hessian_product, ctx.count, *gradients, *outputs)
        elif ctx.factors is None and _is_one(cotangent):
            return (None, None, *gradients)
        if ctx.factors is not None:
            cotangent = cotangent * ctx.factors
        return (None, None, *(gradient * _for_rows(cotangent, gradient) for gradient in gradients))


def _is_one(cotangent):
    """Whether a cotangent is that of loss.backward(), where it costs nothing to look."""
    return cotangent.dim() == 0 and cotangent.is_cpu and cotangent.item() == 1.0


def _for_rows(cotangent, gradient):
    """A cotangent, of the mean or [m], beside a gradient [m], [m, d] or, of K products a sample, [K
    m, d].
    """
    if cotangent.dim() == 0:
        return cotangent
    if gradient.shape[0] != cotangent.shape[0]:
        cotangent = cotangent.repeat(gradient.shape[0] // cotangent.shape[0])
    return cotangent[:, None] if gradient.dim() == 2 else cotangent


class _Gradient(torch.autograd.Function):
    """Gradients that are computed already, and affine in the outputs."""

    @staticmethod
    def forward(ctx, hessian_product, count, *tensors):
        ctx.hessian_product = hessian_product
        ctx.count = count
        return tuple(gradient.clone() for gradient in tensors[:count])

    @staticmethod
    def backward(ctx, *cotangents):
        return (None, None, *[None] * ctx.count, *ctx.hessian_product(*cotangents))


class _Rows:
    """Weights of the samples' losses: 1/m, or over those that count; 1 where no mean is taken."""

    def __init__(self, rows, mask, divisor, of_mean, like):
        self.divisor = divisor * (rows if of_mean and mask is None else 1)
        self.counted = None
        if mask is not None:
            self.counted = mask.to(device=like.device, dtype=like.dtype)
            if of_mean:
                self.counted = self.counted / self.counted.sum()

    def of(self, strength, rank=2):
        """strength, a number or [m], with these weights, beside tensors of a rank."""
        weights = strength / self.divisor
        if self.counted is not None:
            weights = weights * self.counted
        per_row = isinstance(weights, Tensor) and weights.dim() == 1
        return weights[:, None] if per_row and rank == 2 else weights


def _apply(name, inputs, wanted, hessian_product, options, *, dimension=None, mask=None,
           per_dimension=False, reduction="mean", weighting=None):  # fmt: skip
    """Runs a loss under autograd. inputs: (label, tensor, rank), of which those in `wanted`, or
    all, are the model's outputs; options: of the struct, where they are not the defaults."""
    if reduction not in ("mean", "none"):
        raise ValueError(f"reduction must be 'mean' or 'none', got {reduction!r}")
    if inputs[-1][1].dtype in _HALVES:
        inputs = [(label, _whole(tensor), rank) for label, tensor, rank in inputs]
    outputs = [tensor for label, tensor, _ in inputs if wanted is None or label in wanted]
    like = outputs[0]
    m = like.shape[0]
    # A weighted mean is one of values: the factors come when they are summed, and at the cotangent.
    of_mean = reduction == "mean" and weighting is None
    factors = None
    if mask is not None:
        mask = torch.as_tensor(mask, device=like.device)
        options["mask"] = mask = mask if mask.dtype is torch.bool else mask != 0
    if per_dimension:
        options["per_dimension"] = True
    if not of_mean:  # m times the mean's gradient is that of every value, but for what is masked
        options["gradient_scale"] = float(m)
    if weighting is not None:
        factors = _factors(weighting, like, mask, reduction)

    def product(*cotangents):
        columns = like.shape[1] if like.dim() == 2 else dimension
        rows = _Rows(m, mask, float(columns) if per_dimension else 1.0, of_mean, like)
        return hessian_product(rows, *cotangents)

    def evaluate():
        parts = _MEAN if of_mean else _VALUES
        found = _direct.loss(name, inputs, wanted, dimension, parts, True, options)
        if found is None:
            found = losses.general_loss(name, inputs, True, wanted, dimension, parts, **options)
        mean, _, values, gradients = found
        if of_mean:
            if isinstance(mean, float):
                return torch.scalar_tensor(mean, dtype=like.dtype), gradients, None
            return mean.to(like.dtype), gradients, None
        if mask is not None:
            share = mask.to(like.dtype).mean()
            gradients = tuple(gradient * share for gradient in gradients)
        if factors is None:
            return values, gradients, None
        weighted = values.dot(factors) if reduction == "mean" else values * factors
        return weighted, gradients, factors

    return _Quadratic.apply(evaluate, product, *outputs)


def _whole(tensor):
    return tensor if tensor is None or tensor.dtype not in _HALVES else tensor.float()


def _factors(weighting, like, mask, reduction):
    """[m]: of each value in the result."""
    factors = torch.as_tensor(weighting).detach().to(like)
    if factors.shape != like.shape[:1]:
        raise ValueError(
            f"weighting must have shape {tuple(like.shape[:1])}, got {tuple(factors.shape)}"
        )
    if mask is not None:  # what is left out is not looked at
        factors = torch.where(mask, factors, torch.zeros_like(factors))
    if reduction == "mean":
        factors = factors / (len(factors) if mask is None else mask.sum())
    return factors


def _powered(sigma, weighting, like):
    """lambda of DSM and DDE: a number or [m]."""
    if weighting is None:
        return 1.0
    if isinstance(weighting, torch.Tensor) and weighting.dim():
        return weighting.to(like)
    power = float(weighting)
    return sigma.to(like) ** power if isinstance(sigma, torch.Tensor) else float(sigma) ** power


def esm_loss(score: Tensor, data_score: Tensor, **common) -> Tensor:
    """1/2 |s - s_p|^2 of scores [m, d]; differentiable by `score`. reduction: "mean", or "none" for
    [m].
    """
    inputs = (("score", score, 2), ("data_score", data_score.detach(), 2))
    return _apply("esm_loss", inputs, ("score",), lambda rows, u: (rows.of(1.0) * u,), {}, **common)


def ism_loss(score: Tensor, divergence: Tensor, **common) -> Tensor:
    """1/2 |s|^2 + tr H of scores [m, d] and divergences [m]."""
    inputs = (("score", score, 2), ("divergence", divergence, 1))
    return _apply("ism_loss", inputs, None, lambda rows, u, _: (rows.of(1.0) * u, None), {},
                  **common)  # fmt: skip


def dsm_loss(
    output: Tensor, noise: Any = 0, *, sigma: Union[float, Tensor], x: Optional[Tensor] = None,
    signal_scale: Union[float, Tensor] = 1.0, form: str = "score",
    weighting: Optional[Union[float, Tensor]] = None, **common,
) -> Tensor:  # fmt: skip
    """lambda 1/2 |s(x~) + z/sigma|^2 of the model's output at dsm_perturb(x, noise, ...), [m, d],
    or that of form "epsilon", "x0" or "v" (with x). Differentiable by `output`."""
    options = {"noise": noise, "sigma": sigma}
    if form != "score" or isinstance(signal_scale, Tensor) or signal_scale != 1.0:
        options.update(signal_scale=signal_scale, form=form)
    if weighting is not None:
        options["weighting"] = weighting

    def hessian_product(rows, u):
        return (rows.of(_powered(sigma, weighting, u)) * u,)

    inputs = (("x", x, 2), ("output", output, 2))
    return _apply("dsm_loss", inputs, ("output",), hessian_product, options, **common)


def ssm_loss(
    score: Tensor, products: Tensor, noise: Any = 0, *, projections: int = 1,
    probe: str = "rademacher", variance_reduced: bool = False, probes: Optional[Tensor] = None,
    **common,
) -> Tensor:  # fmt: skip
    """1/K sum_k 1/2 (v_k.s)^2 + v_k.H v_k of scores [m, d] and products H v_k [K m, d]; the probes
    v are ssm_probes(x, noise, ...), or the caller's own. Differentiable by both."""
    options = {"noise": noise, "projections": projections, "probe": probe,
               "variance_reduced": variance_reduced, "probes": probes}  # fmt: skip
    m, d = score.shape

    def hessian_product(rows, u, _):
        if variance_reduced:
            return rows.of(1.0) * u, None
        v = probes
        if v is None:
            v = losses.ssm_probes(u.detach(), noise, projections=projections, probe=probe)
        v = v.reshape(projections, m, d)
        along = (v * u).sum(dim=2, keepdim=True)
        return rows.of(1.0) * (along * v).mean(dim=0), None

    inputs = (("score", score, 2), ("products", products, 2))
    return _apply("ssm_loss", inputs, None, hessian_product, options, **common)


def fdssm_energy_loss(
    energy: Tensor, plus: Tensor, minus: Tensor, *, dimension: int, epsilon: float, **common,
) -> Tensor:  # fmt: skip
    """FD-SSM of energies at x, x + v and x - v, [m] each, |v| = epsilon."""
    factor = dimension / epsilon**2 / 4

    def hessian_product(rows, _, up, down):
        along = rows.of(factor, 1) * (up - down)
        return None, along, -along

    inputs = (("energy", energy, 1), ("plus", plus, 1), ("minus", minus, 1))
    return _apply("fdssm_energy_loss", inputs, None, hessian_product, {"epsilon": epsilon},
                  dimension=dimension, **common)  # fmt: skip


def fdssm_loss(plus: Tensor, minus: Tensor, noise: Any = 0, *, epsilon: float, **common) -> Tensor:
    """FD-SSM of scores [m, d] at fdssm_perturb(x, noise, epsilon=epsilon), x + v and x - v."""

    def hessian_product(rows, up, down):
        both = rows.of(0.25) * (up + down)
        return both, both

    inputs = (("plus", plus, 2), ("minus", minus, 2))
    return _apply("fdssm_score_loss", inputs, None, hessian_product,
                  {"noise": noise, "epsilon": epsilon}, **common)  # fmt: skip


def fddsm_loss(
    plus: Tensor, minus: Tensor, noise: Any = 0, *, dimension: int, sigma: Union[float, Tensor],
    epsilon: float, direction: Optional[Tensor] = None, **common,
) -> Tensor:  # fmt: skip
    """FD-DSM of log-densities at x~ + n and x~ - n, [m] each."""

    def hessian_product(rows, up, down):
        power = sigma.to(up) ** 4 if isinstance(sigma, Tensor) else float(sigma) ** 4
        along = rows.of(power / (4 * epsilon**2), 1) * (up - down)
        return along, -along

    options = {"noise": noise, "sigma": sigma, "epsilon": epsilon, "probes": direction}
    inputs = (("plus", plus, 1), ("minus", minus, 1))
    return _apply("fddsm_loss", inputs, None, hessian_product, options, dimension=dimension,
                  **common)  # fmt: skip


def dde_loss(
    score: Tensor, noise: Any = 0, *, sigma: Union[float, Tensor],
    weighting: Optional[Union[float, Tensor]] = None, **common,
) -> Tensor:  # fmt: skip
    """lambda |grad f(x~) + z/sigma|^2 of the score at dsm_perturb(x, noise, sigma=sigma)."""
    options = {"noise": noise, "sigma": sigma, "weighting": weighting}

    def hessian_product(rows, u):
        return (rows.of(2.0 * _powered(sigma, weighting, u)) * u,)

    return _apply("dde_loss", (("score", score, 2),), None, hessian_product, options, **common)


# ---- Losses of models ---------------------------------------------------------------------------
# A model is a function x [m, d] -> score [m, d]; closures give it its noise level.


def jvp(function: Callable[[Tensor], Tensor], x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """(f(x), J v), differentiable in f's parameters: reverse mode twice, for any network."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        value = function(x)
        dual = torch.zeros_like(value, requires_grad=True)
        (transposed,) = torch.autograd.grad(value, x, dual, create_graph=True)
        (product,) = torch.autograd.grad(transposed, dual, v, create_graph=True)
    return value, product


def dsm(model: Callable[[Tensor], Tensor], x: Tensor, noise: Any = 0, *, sigma: Any,
        signal_scale: Any = 1.0, form: str = "score", **options) -> Tensor:  # fmt: skip
    """dsm_loss of a model at x perturbed."""
    made = {"noise": noise, "sigma": sigma, "signal_scale": signal_scale, "form": form}
    output = model(losses.dsm_perturb(x.detach(), **made))
    return dsm_loss(output, x=x.detach() if form in ("x0", "v") else None, **made, **options)


def ssm(model: Callable[[Tensor], Tensor], x: Tensor, noise: Any = 0, *, projections: int = 1,
        probe: str = "rademacher", **options) -> Tensor:  # fmt: skip
    """ssm_loss of a model at x, one backward pass a projection: v.H v is v.(H^T v)."""
    made = {"noise": noise, "projections": projections, "probe": probe}
    x = x.detach()
    probes = losses.ssm_probes(x, **made)
    x.requires_grad_()
    with torch.enable_grad():
        score = model(x)
        products = [
            torch.autograd.grad(score, x, v, create_graph=True)[0]
            for v in (probes.split(x.shape[0]) if projections > 1 and x.shape[0] else [probes])
        ]
    return ssm_loss(
        score, torch.cat(products) if len(products) > 1 else products[0], **made, **options
    )


def fdssm(model: Callable[[Tensor], Tensor], x: Tensor, noise: Any = 0, *, epsilon: float,
          **options) -> Tensor:  # fmt: skip
    """fdssm_loss of a model at x, in one evaluation of both sides."""
    sides = losses.fdssm_perturb(x.detach(), noise, epsilon=epsilon)
    both = sides[0]._base  # where they lie one after the other already
    if both is None or both is not sides[1]._base:
        both = torch.cat(sides)
    plus, minus = model(both).split(x.shape[0])
    return fdssm_loss(plus, minus, noise, epsilon=epsilon, **options)


# ---- A KDE --------------------------------------------------------------------------------------


class _LogDensity(torch.autograd.Function):
    @staticmethod
    def forward(ctx, prepared, options, x, log_bandwidths, data, log_weights):
        ctx.prepared, ctx.options = prepared, options
        # Of those that need no gradient backward has no use: they may have changed until then.
        needed = zip(ctx.needs_input_grad[4:], (data, log_weights))
        ctx.save_for_backward(x, log_bandwidths, *(t if wanted else None for wanted, t in needed))
        return prepared.log_density(x.detach(), **_given(options, log_bandwidths))

    @staticmethod
    def backward(ctx, cotangent):
        x, log_bandwidths, data, log_weights = ctx.saved_tensors
        of_x = None
        if ctx.needs_input_grad[2]:
            score = _Score.apply(ctx.prepared, ctx.options, x, log_bandwidths, data, log_weights)
            of_x = cotangent[:, None] * score
        rest = _parameter_gradients(ctx, cotangent, "log_density_weights", x, log_bandwidths)
        return (None, None, of_x, *rest)


class _Score(torch.autograd.Function):
    @staticmethod
    def forward(ctx, prepared, options, x, log_bandwidths, data, log_weights):
        ctx.prepared, ctx.options = prepared, options
        ctx.save_for_backward(x, log_bandwidths)
        return prepared.score(x.detach(), **_given(options, log_bandwidths))

    @staticmethod
    def backward(ctx, cotangent):
        x, log_bandwidths = ctx.saved_tensors
        of_x = None
        if ctx.needs_input_grad[2]:  # the Jacobian is symmetric
            of_x = _Product.apply(ctx.prepared, ctx.options, x, log_bandwidths, cotangent)
        rest = _parameter_gradients(ctx, cotangent, "score_weights", x, log_bandwidths)
        return (None, None, of_x, *rest)


class _Product(torch.autograd.Function):
    """J(x) u: differentiable by u; by x there is no third derivative."""

    @staticmethod
    def forward(ctx, prepared, options, x, log_bandwidths, u):
        ctx.prepared, ctx.options = prepared, options
        ctx.save_for_backward(x, log_bandwidths)
        return prepared.jvp(x.detach(), u.detach(), **_given(options, log_bandwidths))

    @staticmethod
    def backward(ctx, cotangent):
        x, log_bandwidths = ctx.saved_tensors
        if ctx.needs_input_grad[2] or (log_bandwidths is not None and ctx.needs_input_grad[3]):
            raise NotImplementedError(
                "a KDE's log-density has derivatives by x up to the second order; detach x where "
                "only those by the direction are wanted"
            )
        of_u = _Product.apply(ctx.prepared, ctx.options, x, log_bandwidths, cotangent)
        return None, None, None, None, of_u


class _Parameters(torch.autograd.Function):
    """Gradients by log-bandwidths, data and log-weights. Differentiable no further."""

    @staticmethod
    def forward(ctx, prepared, options, kind, wanted, x, log_bandwidths, cotangent):
        if len(x) == 0:  # the weights of no queries are NULL, and C asks for some
            n, d = prepared.size, prepared.dimension
            shapes = {"log_bandwidths": (0,), "data": (n, d), "log_weights": (n,)}
            return tuple(x.new_zeros(shapes[name]) for name in wanted)
        found = prepared.gradient(
            x.detach(), wanted=wanted, **{kind: cotangent.detach().contiguous()},
            **_given(options, log_bandwidths),
        )  # fmt: skip
        return tuple(found[name] for name in wanted)

    @staticmethod
    def backward(ctx, *_):
        raise NotImplementedError(
            "gradients by a KDE's bandwidths, data and weights have no derivatives"
        )


def _parameter_gradients(ctx, cotangent, kind, x, log_bandwidths):
    names = ("log_bandwidths", "data", "log_weights")
    wanted = tuple(name for name, needed in zip(names, ctx.needs_input_grad[3:]) if needed)
    if not wanted:
        return None, None, None
    found = _Parameters.apply(ctx.prepared, ctx.options, kind, wanted, x, log_bandwidths, cotangent)
    by_name = dict(zip(wanted, found))
    return tuple(by_name.get(name) for name in names)


def _given(options, log_bandwidths):
    """The options of one evaluation, of the bandwidths that autograd follows where there are."""
    if log_bandwidths is None:
        return options
    return {**options, "bandwidth": log_bandwidths.detach().exp()}


def _version(tensor):
    """What tells that a tensor has changed in place; None where nothing does."""
    if not isinstance(tensor, Tensor) or tensor.is_inference():
        return None
    return tensor._version


class KDE:
    """A KDE under autograd: p(x) = sum_k w_k N(x | y_k, h^2 I).

    data [n, d]; bandwidth: a number, or a tensor of one element or [m]; log_weights [n] or None,
    which need not be normalised. Gradients flow to whatever of x, data, bandwidth and log_weights
    requires them.

    `prepared` is the scorefield.KDE of a copy of data, log_weights and labels. It is made again
    where they have changed since, by an optimiser's step say: by in-place operations that autograd
    counts, so not by writes to their .data. What was evaluated before keeps the KDE that it had.
    """

    def __init__(
        self,
        data: Tensor,
        bandwidth: Union[float, Tensor],
        *,
        log_weights: Optional[Tensor] = None,
        labels: Optional[Tensor] = None,
    ):
        self.data = data
        self.log_weights = log_weights
        self.labels = labels
        self.bandwidth = bandwidth
        self._prepared = self._prepare()

    def _prepare(self):
        """(the KDE of the data as they are, the tensors that it is of, their versions)."""
        sources = (self.data, self.log_weights, self.labels)
        versions = [_version(tensor) for tensor in sources]
        weights = None
        if self.log_weights is not None:
            shifted = self.log_weights.detach()
            weights = (shifted - shifted.max()).exp()
        prepared = _PreparedKDE(self.data.detach(), weights=weights, labels=self.labels)
        return prepared, sources, versions

    @property
    def prepared(self) -> _PreparedKDE:
        _, sources, versions = self._prepared
        same = all(a is b for a, b in zip(sources, (self.data, self.log_weights, self.labels)))
        if not same or versions != [_version(tensor) for tensor in sources]:
            self._prepared = self._prepare()
        return self._prepared[0]

    def _evaluate(self, function, x, options):
        bandwidth = options.get("bandwidth")
        bandwidth = self.bandwidth if bandwidth is None else bandwidth
        log_bandwidths = None
        if isinstance(bandwidth, Tensor):
            log_bandwidths = bandwidth.to(x).log().expand(x.shape[0]).contiguous()
        else:
            options["bandwidth"] = float(bandwidth)
        return function.apply(self.prepared, options, x, log_bandwidths, self.data,
                              self.log_weights)  # fmt: skip

    def log_density(self, x: Tensor, **options) -> Tensor:
        """log p(x), [m], nats. Options: bandwidth, skip, labels, signal_scale (a number)."""
        return self._evaluate(_LogDensity, x, options)

    def score(self, x: Tensor, **options) -> Tensor:
        """grad_x log p(x), [m, d], units 1/x."""
        return self._evaluate(_Score, x, options)


# ---- Fields of networks -------------------------------------------------------------------------


def probability_flow(model: Callable[[Tensor, Level], Tensor], sde: Any = "vp") -> ProbabilityFlow:
    """The probability flow of a network's score, with its divergence and products by autograd."""

    def divergence(x, level):
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            value = model(x, level)
            total = torch.zeros_like(x[:, 0])
            for j in range(x.shape[1]):
                (row,) = torch.autograd.grad(value[:, j].sum(), x, retain_graph=True)
                total = total + row[:, j]
        return total

    def product(x, level, v):
        return jvp(lambda y: model(y, level), x, v)[1]

    def transposed(x, level, u):
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(model(x, level), x, u)[0]

    def value(x, level):
        with torch.no_grad():
            return model(x, level)

    return ProbabilityFlow(value, sde, divergence, product, transposed)


__all__ = [
    "KDE", "dde_loss", "dsm", "dsm_loss", "esm_loss", "fddsm_loss", "fdssm", "fdssm_energy_loss",
    "fdssm_loss", "ism_loss", "jvp", "probability_flow", "ssm", "ssm_loss",
]  # fmt: skip

"""scorefield under PyTorch's autograd: losses of a model's outputs and of whole models, a KDE's
log-density and score, and fields for scorefield.ode from a network.

Every loss is quadratic in the model's outputs, so its gradient is affine, and double backward is
exact to all orders. Of a KDE, log_density and score are differentiable by x (to the second and the
first order), by the bandwidth, the data and the log-weights (once).
"""

from typing import Any, Callable, Optional, Union

import torch

from . import losses
from .kde import KDE as _PreparedKDE
from .ode import ProbabilityFlow
from .samplers import Level

Tensor = torch.Tensor

# ---- Losses of outputs --------------------------------------------------------------------------
# Each takes also mask ([m], bool: False leaves a sample out), per_dimension (values divided by d)
# and reduction: "mean", or "none" for every sample's [m].


class _Quadratic(torch.autograd.Function):
    """A loss in one fused call: the mean, or the values [m]."""

    @staticmethod
    def forward(ctx, evaluate, hessian_product, *outputs):
        result, gradients = evaluate(*(output.detach() for output in outputs))
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
        return (None, None, *(gradient * _for_rows(cotangent, gradient) for gradient in gradients))


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


def _apply(loss, outputs, hessian_product, dimension, options, *, mask=None, per_dimension=False,
           reduction="mean"):  # fmt: skip
    """Runs a loss of scorefield.losses under autograd."""
    if reduction not in ("mean", "none"):
        raise ValueError(f"reduction must be 'mean' or 'none', got {reduction!r}")
    of_mean = reduction == "mean"
    like = outputs[0]

    def product(*cotangents):
        divisor = float(dimension) if per_dimension else 1.0
        rows = _Rows(like.shape[0], mask, divisor, of_mean, like)
        return hessian_product(rows, *cotangents)

    def evaluate(*detached):
        # m times the mean's gradient is that of every value, but for the share that counts.
        found = loss(
            *detached,
            mask=mask,
            per_dimension=per_dimension,
            parts=("mean" if of_mean else "values",),
            gradient_scale=1.0 if of_mean else float(like.shape[0]),
            **options,
        )
        if of_mean:
            return found.mean.to(like.dtype), found.gradients
        gradients = found.gradients
        if mask is not None:
            share = mask.to(like.dtype).mean()
            gradients = tuple(gradient * share for gradient in gradients)
        return found.values, gradients

    return _Quadratic.apply(evaluate, product, *outputs)


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
    data = data_score.detach()
    return _apply(
        lambda s, **given: losses.esm(s, data, **given), (score,),
        lambda rows, u: (rows.of(1.0) * u,), score.shape[1], {}, **common,
    )  # fmt: skip


def ism_loss(score: Tensor, divergence: Tensor, **common) -> Tensor:
    """1/2 |s|^2 + tr H of scores [m, d] and divergences [m]."""
    return _apply(
        losses.ism, (score, divergence), lambda rows, u, _: (rows.of(1.0) * u, None),
        score.shape[1], {}, **common,
    )  # fmt: skip


def dsm_loss(
    output: Tensor, noise: Any = 0, *, sigma: Union[float, Tensor], x: Optional[Tensor] = None,
    signal_scale: Union[float, Tensor] = 1.0, form: str = "score",
    weighting: Optional[Union[float, Tensor]] = None, **common,
) -> Tensor:  # fmt: skip
    """lambda 1/2 |s(x~) + z/sigma|^2 of the model's output at dsm_perturb(x, noise, ...), [m, d],
    or that of form "epsilon", "x0" or "v" (with x). Differentiable by `output`."""
    options = {"noise": noise, "sigma": sigma, "x": x, "signal_scale": signal_scale, "form": form,
               "weighting": weighting}  # fmt: skip

    def hessian_product(rows, u):
        return (rows.of(_powered(sigma, weighting, u)) * u,)

    return _apply(losses.dsm, (output,), hessian_product, output.shape[1], options, **common)


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

    return _apply(losses.ssm, (score, products), hessian_product, d, options, **common)  # fmt: skip


def fdssm_energy_loss(
    energy: Tensor, plus: Tensor, minus: Tensor, *, dimension: int, epsilon: float, **common,
) -> Tensor:  # fmt: skip
    """FD-SSM of energies at x, x + v and x - v, [m] each, |v| = epsilon."""
    factor = dimension / epsilon**2 / 4

    def hessian_product(rows, _, up, down):
        along = rows.of(factor, 1) * (up - down)
        return None, along, -along

    options = {"dimension": dimension, "epsilon": epsilon}
    return _apply(losses.fdssm_energy, (energy, plus, minus), hessian_product, dimension,
                  options, **common)  # fmt: skip


def fdssm_loss(plus: Tensor, minus: Tensor, noise: Any = 0, *, epsilon: float, **common) -> Tensor:
    """FD-SSM of scores [m, d] at fdssm_perturb(x, noise, epsilon=epsilon), x + v and x - v."""

    def hessian_product(rows, up, down):
        both = rows.of(0.25) * (up + down)
        return both, both

    return _apply(losses.fdssm, (plus, minus), hessian_product, plus.shape[1],
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

    options = {"noise": noise, "dimension": dimension, "sigma": sigma, "epsilon": epsilon,
               "direction": direction}  # fmt: skip
    return _apply(losses.fddsm, (plus, minus), hessian_product, dimension, options,
                  **common)  # fmt: skip


def dde_loss(
    score: Tensor, noise: Any = 0, *, sigma: Union[float, Tensor],
    weighting: Optional[Union[float, Tensor]] = None, **common,
) -> Tensor:  # fmt: skip
    """lambda |grad f(x~) + z/sigma|^2 of the score at dsm_perturb(x, noise, sigma=sigma)."""
    options = {"noise": noise, "sigma": sigma, "weighting": weighting}

    def hessian_product(rows, u):
        return (rows.of(2.0 * _powered(sigma, weighting, u)) * u,)

    return _apply(losses.dde, (score,), hessian_product, score.shape[1], options, **common)


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
            for v in (probes.split(x.shape[0]) if x.shape[0] else [probes])
        ]
    return ssm_loss(
        score, torch.cat(products) if len(products) > 1 else products[0], **made, **options
    )


def fdssm(model: Callable[[Tensor], Tensor], x: Tensor, noise: Any = 0, *, epsilon: float,
          **options) -> Tensor:  # fmt: skip
    """fdssm_loss of a model at x, in one evaluation of both sides."""
    sides = losses.fdssm_perturb(x.detach(), noise, epsilon=epsilon)
    plus, minus = model(torch.cat(sides)).split(x.shape[0])
    return fdssm_loss(plus, minus, noise, epsilon=epsilon, **options)


# ---- A KDE --------------------------------------------------------------------------------------


class _LogDensity(torch.autograd.Function):
    @staticmethod
    def forward(ctx, kde, options, x, log_bandwidths, data, log_weights):
        ctx.kde, ctx.options = kde, options
        ctx.save_for_backward(x, log_bandwidths, data, log_weights)
        return kde.prepared.log_density(x.detach(), **kde.given(options, log_bandwidths))

    @staticmethod
    def backward(ctx, cotangent):
        x, log_bandwidths, data, log_weights = ctx.saved_tensors
        of_x = None
        if ctx.needs_input_grad[2]:
            score = _Score.apply(ctx.kde, ctx.options, x, log_bandwidths, data, log_weights)
            of_x = cotangent[:, None] * score
        rest = _parameter_gradients(ctx, cotangent, "log_density_weights", x, log_bandwidths)
        return (None, None, of_x, *rest)


class _Score(torch.autograd.Function):
    @staticmethod
    def forward(ctx, kde, options, x, log_bandwidths, data, log_weights):
        ctx.kde, ctx.options = kde, options
        ctx.save_for_backward(x, log_bandwidths)
        return kde.prepared.score(x.detach(), **kde.given(options, log_bandwidths))

    @staticmethod
    def backward(ctx, cotangent):
        x, log_bandwidths = ctx.saved_tensors
        of_x = None
        if ctx.needs_input_grad[2]:  # the Jacobian is symmetric
            of_x = _Product.apply(ctx.kde, ctx.options, x, log_bandwidths, cotangent)
        rest = _parameter_gradients(ctx, cotangent, "score_weights", x, log_bandwidths)
        return (None, None, of_x, *rest)


class _Product(torch.autograd.Function):
    """J(x) u: differentiable by u; by x there is no third derivative."""

    @staticmethod
    def forward(ctx, kde, options, x, log_bandwidths, u):
        ctx.kde, ctx.options = kde, options
        ctx.save_for_backward(x, log_bandwidths)
        return kde.prepared.jvp(x.detach(), u.detach(), **kde.given(options, log_bandwidths))

    @staticmethod
    def backward(ctx, cotangent):
        x, log_bandwidths = ctx.saved_tensors
        if ctx.needs_input_grad[2] or (log_bandwidths is not None and ctx.needs_input_grad[3]):
            raise NotImplementedError(
                "a KDE's log-density has derivatives by x up to the second order; detach x where "
                "only those by the direction are wanted"
            )
        return (None, None, None, None,
                _Product.apply(ctx.kde, ctx.options, x, log_bandwidths, cotangent))  # fmt: skip


class _Parameters(torch.autograd.Function):
    """Gradients by log-bandwidths, data and log-weights. Differentiable no further."""

    @staticmethod
    def forward(ctx, kde, options, kind, wanted, x, log_bandwidths, cotangent):
        found = kde.prepared.gradient(
            x.detach(), wanted=wanted, **{kind: cotangent.detach().contiguous()},
            **kde.given(options, log_bandwidths),
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
    found = _Parameters.apply(ctx.kde, ctx.options, kind, wanted, x, log_bandwidths, cotangent)
    by_name = dict(zip(wanted, found))
    return tuple(by_name.get(name) for name in names)


class KDE:
    """A KDE under autograd: p(x) = sum_k w_k N(x | y_k, h^2 I).

    data [n, d]; bandwidth: a number, or a tensor of one element or [m]; log_weights [n] or None,
    which need not be normalised. Gradients flow to whatever of x, data, bandwidth and log_weights
    requires them. `prepared` is the scorefield.KDE.
    """

    def __init__(
        self,
        data: Tensor,
        bandwidth: Union[float, Tensor],
        *,
        log_weights: Optional[Tensor] = None,
        labels: Optional[Tensor] = None,
    ):
        weights = None
        if log_weights is not None:
            shifted = log_weights.detach()
            weights = (shifted - shifted.max()).exp()
        self.prepared = _PreparedKDE(data.detach(), weights=weights, labels=labels)
        self.data = data
        self.log_weights = log_weights
        self.bandwidth = bandwidth

    def given(self, options, log_bandwidths):
        """The options of one evaluation, of the bandwidth that autograd follows."""
        if log_bandwidths is None:
            return {"bandwidth": float(self._bandwidth(options)), **self._rest(options)}
        return {"bandwidth": log_bandwidths.detach().exp(), **self._rest(options)}

    def _bandwidth(self, options):
        given = options.get("bandwidth")
        return self.bandwidth if given is None else given

    @staticmethod
    def _rest(options):
        return {name: value for name, value in options.items() if name != "bandwidth"}

    def _evaluate(self, function, x, options):
        bandwidth = self._bandwidth(options)
        log_bandwidths = None
        if isinstance(bandwidth, Tensor):
            log_bandwidths = bandwidth.to(x).log().expand(x.shape[0]).contiguous()
        return function.apply(self, options, x, log_bandwidths, self.data, self.log_weights)

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

"""The losses of score matching, of a model's outputs in any framework, in one pass each.

For each, a `perturb` call makes the points where the model must be evaluated, and the loss takes
the model's outputs there. Hand both the same noise: it is made again, not stored. Values, their
mean and standard error, and the gradient of the mean by every output. Shapes: m samples in d
dimensions. Formulas, units and sources: scorefield/loss.h. With PyTorch's autograd:
scorefield.torch.
"""

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional, Union

from . import _arrays, _direct, _library, _noise
from ._arrays import Call, reference
from ._noise import Noise, NoiseLike


class Loss(NamedTuple):
    """mean and standard_error: float64, over the samples that count; values [m]; gradients: of
    gradient_scale times the mean, by each output that the model made, in their order, or ()."""

    mean: Any
    standard_error: Any
    values: Any
    gradients: tuple[Any, ...]


def loss_params(
    call, m, d, *, noise=0, probes=None, form="score", weighting=None, sigma=None, signal_scale=1.0,
    epsilon=None, projections=1, probe="rademacher", variance_reduced=False, mask=None,
    per_dimension=False, gradient_scale=1.0,
):  # fmt: skip
    """The struct scf_loss_params of what a caller gave."""
    drawn, own = _noise.split(noise)
    params = call.new("loss_params", **_noise.fields(call, drawn))
    if form != "score":
        params.form = _library.choice("SCF_FORM_", form, "form")
    if probe != "rademacher":
        params.probe = _library.choice("SCF_PROBE_", probe, "probe")
    if projections != 1:
        params.projections = operator.index(projections)
    if variance_reduced:
        params.variance_reduced = 1
    if per_dimension:
        params.per_dimension = 1
    if gradient_scale != 1.0:
        params.gradient_scale = float(gradient_scale)
    if mask is not None:
        params.mask = call.mask("mask", mask, m)
    if own is not None:
        params.noise, params.ld_noise = call.matrix("noise", own, m, d)
    if probes is not None:
        params.probes, params.ld_probes = call.matrix("probes", probes, m * int(projections), d)
    if weighting is not None:
        of_array = _arrays.is_array(weighting)
        params.weighting = _library.choice(
            "SCF_WEIGHTING_", "array" if of_array else "sigma", "weighting"
        )
        if of_array:
            params.weights = call.vector("weighting", weighting, m)
        else:
            params.weighting_exponent = float(weighting)
    if epsilon is not None:
        params.epsilon = float(epsilon)
    for name, value in (("sigma", sigma), ("signal_scale", signal_scale)):
        if value is None:
            continue
        if _arrays.is_array(value):
            setattr(params, name + "s", call.vector(name, value, m))
        else:
            setattr(params, name, float(value))
    return params


_PARTS = ("mean", "standard_error", "values")


def outputs_of(call, m, parts=_PARTS):
    """The struct scf_loss_outputs and its arrays, mean, standard error, values, or None."""
    none = (None, None)
    mean, at_mean = call.output((), "float64") if "mean" in parts else none
    error, at_error = call.output((), "float64") if "standard_error" in parts else none
    each, at_each = call.output((m,)) if "values" in parts else none
    struct = call.new("loss_outputs", mean=at_mean, standard_error=at_error, values=at_each)
    return struct, (mean, error, each)


def _loss(name, inputs, gradients, wanted=None, dimension=None, **options):
    found = _direct.loss(name, inputs, wanted, dimension, _PARTS, gradients, options)
    if found is not None:
        return Loss(*_direct.as_tensors(found[:2]), *found[2:])
    return general_loss(name, inputs, gradients, wanted, dimension, **options)


def general_loss(name, inputs, gradients, wanted=None, dimension=None, parts=_PARTS, **options):
    """One loss of any framework's arrays. inputs: (name, array, rank), of which those in `wanted`,
    or all, are differentiated."""
    first = next((label, array) for label, array, _ in inputs if array is not None)
    projections = int(options.get("projections", 1))
    with Call.of(*first) as call:
        matrices = [
            (label, array) for label, array, rank in inputs if rank == 2 and array is not None
        ]
        if matrices:
            m, d = call.shape_of(*matrices[0])
        else:
            m, d = _length(call, *first), int(dimension)
        params = loss_params(call, m, d, **options)
        arguments, results, pointers = [], [], []
        for label, array, rank in inputs:
            rows = m * projections if label == "products" else m
            if rank == 2:
                arguments += call.matrix(label, array, rows, d)
            else:
                arguments.append(call.vector(label, array, rows))
            if wanted is None or label in wanted:
                shape = (rows, d) if rank == 2 else (rows,)
                result, pointer = call.output(shape) if gradients else (None, None)
                results.append(result)
                pointers += [pointer, d] if rank == 2 else [pointer]
        struct, (mean, error, values) = outputs_of(call, m, parts)
        workspace = call.sized_workspace("loss", reference(params), m, d)
        call.run(name, reference(params), m, d, *arguments, reference(struct), *pointers,
                 *workspace)  # fmt: skip
    given = tuple(call.give(result) for result in results) if gradients else ()
    return Loss(call.give(mean), call.give(error), call.give(values), given)


def _length(call, label, array):
    view = call.framework.view(call.framework.convert(array, call.dtype))
    if len(view.shape) != 1:
        raise ValueError(f"{label} must have shape [m], got {list(view.shape)}")
    return view.shape[0]


def _perturb(name, x, count, options):
    made = _direct.perturb(name, x, sum(count), options)
    if made is not None:
        return [*made, None][: len(count)]
    with Call.of("x", x) as call:
        m, d = call.shape_of("x", x)
        params = loss_params(call, m, d, **options)
        made = [call.output((m, d)) if wanted else (None, None) for wanted in count]
        arguments = [value for _, pointer in made for value in (pointer, d)]
        call.run(name, reference(params), m, d, *call.matrix("x", x), *arguments)
    return [call.give(array) for array, _ in made]


# ---- Points where the model must be evaluated ---------------------------------------------------


def dsm_perturb(
    x: Any,
    noise: NoiseLike = 0,
    *,
    sigma: Union[float, Any],
    signal_scale: Union[float, Any] = 1.0,
    form: str = "score",
    target: bool = False,
) -> Any:
    """x~ = a x + sigma z, [m, d], of x [m, d]; with `target` (x~, what the model's output in `form`
    is compared with: -z/sigma, z, x, or a z - sigma x). sigma, signal_scale: numbers or [m]."""
    options = {"noise": noise, "sigma": sigma, "signal_scale": signal_scale, "form": form}
    perturbed, compared = _perturb("dsm_perturb", x, (True, target), options)
    return (perturbed, compared) if target else perturbed


def ssm_probes(
    x: Any, noise: NoiseLike = 0, *, projections: int = 1, probe: str = "rademacher"
) -> Any:
    """The probes of SSM for samples like x [m, d]: [K m, d], probe k of sample i in row k m + i.
    probe: "rademacher", "gaussian" or "sphere" (of radius sqrt(d))."""
    if projections == 1:
        made = _direct.perturb("ssm_perturb", x, 1, {"noise": noise, "probe": probe})
        if made is not None:
            return made[0]
    with Call.of("x", x) as call:
        m, d = call.shape_of("x", x)
        params = loss_params(call, m, d, noise=noise, projections=projections, probe=probe)
        probes, pointer = call.output((projections * m, d))
        call.run("ssm_perturb", reference(params), m, d, pointer, d)
    return call.give(probes)


def fdssm_perturb(x: Any, noise: NoiseLike = 0, *, epsilon: float) -> tuple[Any, Any]:
    """x + v and x - v, [m, d] each, |v| = epsilon."""
    plus, minus = _perturb("fdssm_perturb", x, (True, True), {"noise": noise, "epsilon": epsilon})
    return plus, minus


def fddsm_perturb(
    x: Any,
    noise: NoiseLike = 0,
    *,
    sigma: Union[float, Any],
    epsilon: float,
    signal_scale: Union[float, Any] = 1.0,
    direction: Optional[Any] = None,
) -> tuple[Any, Any]:
    """x~ + n and x~ - n, [m, d] each, |n| = epsilon sqrt(d); direction: the caller's own n, of any
    length, [m, d]."""
    options = {"noise": noise, "sigma": sigma, "signal_scale": signal_scale, "epsilon": epsilon,
               "probes": direction}  # fmt: skip
    plus, minus = _perturb("fddsm_perturb", x, (True, True), options)
    return plus, minus


# ---- Losses -------------------------------------------------------------------------------------
# Every loss takes also mask ([m], bool: False leaves a sample out), per_dimension (values divided
# by d), gradient_scale, and gradients=False where none are wanted.


def esm(score: Any, data_score: Any, *, gradients: bool = True, **options) -> Loss:
    """Explicit: 1/2 |s - s_p|^2 of the model's and the data's scores, [m, d] each."""
    inputs = [("score", score, 2), ("data_score", data_score, 2)]
    return _loss("esm_loss", inputs, gradients, ("score",), **options)


def ism(score: Any, divergence: Any, *, gradients: bool = True, **options) -> Loss:
    """Implicit (Hyvarinen): 1/2 |s|^2 + tr H of the score [m, d] and its divergence [m]."""
    inputs = [("score", score, 2), ("divergence", divergence, 1)]
    return _loss("ism_loss", inputs, gradients, **options)


def dsm(
    output: Any,
    noise: NoiseLike = 0,
    *,
    sigma: Union[float, Any],
    x: Optional[Any] = None,
    signal_scale: Union[float, Any] = 1.0,
    form: str = "score",
    weighting: Optional[Union[float, Any]] = None,
    gradients: bool = True,
    **options,
) -> Loss:
    """Denoising: lambda 1/2 |s(x~) + z/sigma|^2, or that of another form of output [m, d]:
    "epsilon", "x0" or "v" (these two need the unperturbed x). weighting: a number e for lambda =
    sigma^e, an array [m], or None for 1."""
    inputs = [("x", x, 2), ("output", output, 2)]
    return _loss("dsm_loss", inputs, gradients, ("output",), noise=noise, sigma=sigma,
                 signal_scale=signal_scale, form=form, weighting=weighting, **options)  # fmt: skip


def ssm(
    score: Any,
    products: Any,
    noise: NoiseLike = 0,
    *,
    projections: int = 1,
    probe: str = "rademacher",
    variance_reduced: bool = False,
    probes: Optional[Any] = None,
    gradients: bool = True,
    **options,
) -> Loss:
    """Sliced: 1/K sum_k 1/2 (v_k.s)^2 + v_k.H v_k of the score [m, d] and the products H v_k
    [K m, d]; variance_reduced: 1/2 |s|^2 in place of the squares. probes: the caller's own."""
    inputs = [("score", score, 2), ("products", products, 2)]
    return _loss("ssm_loss", inputs, gradients, noise=noise, projections=projections, probe=probe,
                 variance_reduced=variance_reduced, probes=probes, **options)  # fmt: skip


def fdssm_energy(
    energy: Any, plus: Any, minus: Any, *, dimension: int, epsilon: float, gradients: bool = True,
    **options,
) -> Loss:  # fmt: skip
    """Sliced by finite differences of energies E = -log p at x, x + v and x - v, [m] each."""
    inputs = [("energy", energy, 1), ("plus", plus, 1), ("minus", minus, 1)]
    return _loss("fdssm_energy_loss", inputs, gradients, dimension=dimension, epsilon=epsilon,
                 **options)  # fmt: skip


def fdssm(
    plus: Any,
    minus: Any,
    noise: NoiseLike = 0,
    *,
    epsilon: float,
    gradients: bool = True,
    **options,
) -> Loss:
    """Sliced by finite differences of scores at x + v and x - v, [m, d] each."""
    inputs = [("plus", plus, 2), ("minus", minus, 2)]
    return _loss("fdssm_score_loss", inputs, gradients, noise=noise, epsilon=epsilon, **options)


def fddsm(
    plus: Any, minus: Any, noise: NoiseLike = 0, *, dimension: int, sigma: Union[float, Any],
    epsilon: float, direction: Optional[Any] = None, gradients: bool = True, **options,
) -> Loss:  # fmt: skip
    """Denoising by finite differences of log-densities at x~ + n and x~ - n, [m] each."""
    inputs = [("plus", plus, 1), ("minus", minus, 1)]
    return _loss("fddsm_loss", inputs, gradients, noise=noise, dimension=dimension, sigma=sigma,
                 epsilon=epsilon, probes=direction, **options)  # fmt: skip


def dde(
    score: Any, noise: NoiseLike = 0, *, sigma: Union[float, Any],
    weighting: Optional[Union[float, Any]] = None, gradients: bool = True, **options,
) -> Loss:  # fmt: skip
    """Deep density estimation: lambda |s + z/sigma|^2 of the score s = grad f at x~, [m, d]."""
    inputs = [("score", score, 2)]
    return _loss("dde_loss", inputs, gradients, noise=noise, sigma=sigma, weighting=weighting,
                 **options)  # fmt: skip


def dde_direction(generator_score: Any, data_score: Any) -> Any:
    """Where a generator's particles move: -(s_q~ - s_p~), [m, d]."""
    with Call.of("generator_score", generator_score) as call:
        m, d = call.shape_of("generator_score", generator_score)
        direction, pointer = call.output((m, d))
        call.run("dde_direction", m, d, *call.matrix("generator_score", generator_score),
                 *call.matrix("data_score", data_score, m, d), pointer, d)  # fmt: skip
    return call.give(direction)


# ---- A KDE as the model -------------------------------------------------------------------------


class KdeLoss(NamedTuple):
    """log_bandwidth_gradient: float64, d mean / d log h."""

    mean: Any
    standard_error: Any
    values: Any
    log_bandwidth_gradient: Any


_QUERY = ("bandwidth", "skip", "labels")


def kde_loss(
    kde,
    x: Any,
    loss: str = "likelihood",
    *,
    data_kde=None,
    data_skip: Optional[Any] = None,
    bandwidth: Optional[Union[float, Any]] = None,
    skip: Optional[Any] = None,
    labels: Optional[Any] = None,
    **options,
) -> KdeLoss:
    """A loss of a KDE at samples x [m, d]: "esm" (against data_kde), "ism", "dsm", "ssm", "fdssm",
    "fdssm_score", "fddsm", "dde" or "likelihood", -log p. Options as of the loss itself; skip
    (int64 [m]) leaves a datum out for each sample."""
    from . import kde as kdes

    with kde.call_of("x", x) as call:
        m, d = call.shape_of("x", x)
        address, ld = call.matrix("x", x, columns=kde.dimension)
        chosen = call.new("kde_loss_params", loss=_library.choice("SCF_LOSS_", loss, "loss"))
        if data_kde is not None:
            chosen.data_kde = data_kde.handle
            chosen.data_query = _arrays.address_of(
                kdes.query_params(call, data_kde, m, skip=data_skip)
            )
        params = loss_params(call, m, d, **options)
        query = kdes.query_params(call, kde, m, bandwidth=bandwidth, skip=skip, labels=labels)
        struct, (mean, error, values) = outputs_of(call, m)
        slope, pointer = call.output((), "float64")
        call.run("kde_loss", kde.handle, reference(chosen), reference(params), address, m, ld,
                 reference(query), reference(struct), pointer)  # fmt: skip
    return KdeLoss(call.give(mean), call.give(error), call.give(values), call.give(slope))


def kde_dde_direction(
    generator,
    data,
    x: Any,
    *,
    generator_skip: Optional[Any] = None,
    data_skip: Optional[Any] = None,
) -> Any:
    """dde_direction of two KDEs at particles x [m, d]; skips where x are a KDE's own data."""
    from . import kde as kdes

    with generator.call_of("x", x) as call:
        m, d = call.shape_of("x", x)
        address, ld = call.matrix("x", x, columns=generator.dimension)
        of_generator = kdes.query_params(call, generator, m, skip=generator_skip)
        of_data = kdes.query_params(call, data, m, skip=data_skip)
        direction, pointer = call.output((m, d))
        call.run("kde_dde_direction", generator.handle, reference(of_generator), data.handle,
                 reference(of_data), address, m, ld, pointer, d)  # fmt: skip
    return call.give(direction)


__all__: Sequence[str] = [
    "KdeLoss", "Loss", "Noise", "dde", "dde_direction", "dsm", "dsm_perturb", "esm", "fddsm",
    "fddsm_perturb", "fdssm", "fdssm_energy", "fdssm_perturb", "ism", "kde_dde_direction",
    "kde_loss", "ssm", "ssm_probes",
]  # fmt: skip

"""Flows dx/dt = f(x, t), every sample solved on its own; the probability flow of a diffusion, and
the log-densities that it carries. Shapes: m samples in d dimensions. Formulas: scorefield/ode.h.

A field is one of
  Flow(f, divergence=..., jvp=..., vjp=...)   Python functions of x [m, d] and t, a column [m, 1];
                                              where f is all there is, f itself
  ProbabilityFlow(model, sde)                 of a model f(x, level) -> score, or of a KDE, exactly
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, Optional, Union

import numpy as np

from . import _drivers, _library, _noise, schedules
from ._arrays import Call, address_of, reference
from ._noise import NoiseLike
from .kde import KDE
from .samplers import Level


@dataclass
class Flow:
    """dx/dt = function(x, t). divergence(x, t) -> [m] for exact traces; jvp(x, t, v) -> J v [m, d]
    for Hutchinson's; vjp(x, t, u) -> J^T u [m, d] for adjoints."""

    function: Callable[[Any, Any], Any]
    divergence: Optional[Callable[[Any, Any], Any]] = None
    jvp: Optional[Callable[[Any, Any, Any], Any]] = None
    vjp: Optional[Callable[[Any, Any, Any], Any]] = None


@dataclass
class ProbabilityFlow:
    """dx/dt = f(t) x - g(t)^2/2 s(x, t) of an SDE (or "ve", "vp", "subvp") and a score: a KDE, with
    its base bandwidth h0 (default: the KDE's) and labels int32 [m]; or a model f(x, level) with
    divergence(x, level) -> [m], jvp(x, level, v) and vjp(x, level, u) where traces or adjoints need
    them."""

    model: Union[KDE, Callable[[Any, Level], Any]]
    sde: Union[str, schedules.SDE] = "vp"
    divergence: Optional[Callable[[Any, Level], Any]] = None
    jvp: Optional[Callable[[Any, Level, Any], Any]] = None
    vjp: Optional[Callable[[Any, Level, Any], Any]] = None
    base_bandwidth: Optional[float] = None
    labels: Optional[Any] = None


# A function f(x, t) alone is Flow(f).
Field = Union[Flow, ProbabilityFlow, Callable[[Any, Any], Any]]


@dataclass
class Solution:
    """x [m, d] at the last time; states [times, m, d] where asked; log_density float64 [m], with a
    trace: log p at the last time less log p at the first; log_densities [times, m]. statuses: names
    of what became of each sample that failed, by its row. calls and evaluations of the field."""

    x: Any
    states: Optional[Any] = None
    log_density: Optional[Any] = None
    log_densities: Optional[Any] = None
    steps_taken: Optional[Any] = None
    steps_refused: Optional[Any] = None
    status: tuple[str, ...] = ()
    failed: int = 0
    first_failed: int = -1
    calls: int = 0
    evaluations: int = 0


class Failed(_library.Error):
    """Samples failed: `result` has the rest."""


def _field_function(field, call, d):
    """The callback of a Python field: every request answered with what was asked."""
    framework = call.framework
    of_score = isinstance(field, ProbabilityFlow)
    value_of = field.model if of_score else field.function

    def answer(address):
        request = _library.struct_at("field_request", address)
        rows = request.m

        def matrix(pointer, ld):
            return framework.borrowed(pointer, (rows, d), (ld, 1), call.dtype)

        def copied(pointer, ld):
            return framework.give(framework.copy(matrix(pointer, ld)))

        def required(function, what):
            if function is None:
                raise TypeError(f"the field has no {what}, which this call needs")
            return function

        with framework.on_stream(request.stream):
            x = copied(request.x, request.ldx)
            times = framework.column(request.times, rows, call.dtype)
            where = times
            if of_score:
                where = Level(
                    framework.column(request.signal_scales, rows, call.dtype),
                    framework.column(request.sigmas, rows, call.dtype), times, -1,
                )  # fmt: skip
            if request.value:
                framework.assign(matrix(request.value, request.ld_value), value_of(x, where),
                                 "the field's value")  # fmt: skip
            if request.divergence:
                target = framework.borrowed(request.divergence, (rows,), (1,), "float64")
                made = required(field.divergence, "divergence")(x, where)
                framework.assign(target, framework.cast(made, "float64"), "the divergence")
            if request.jacobian_product:
                tangent = copied(request.tangent, request.ld_tangent)
                framework.assign(
                    matrix(request.jacobian_product, request.ld_jacobian_product),
                    required(field.jvp, "jvp")(x, where, tangent), "the Jacobian product",
                )  # fmt: skip
            if request.vector_jacobian:
                cotangent = copied(request.cotangent, request.ld_cotangent)
                framework.assign(
                    matrix(request.vector_jacobian, request.ld_vector_jacobian),
                    required(field.vjp, "vjp")(x, where, cotangent), "the vector-Jacobian product",
                )  # fmt: skip

    return answer


class _Run:
    """What every call here has: the field and the params as structs."""

    def __init__(self, call, driver, field, m, d, times, solver, steps, rtol, atol, first_step,
                 max_steps, trace=None, probe="rademacher", probes=1, noise=0):  # fmt: skip
        self.field = call.new("field")
        if not isinstance(field, (Flow, ProbabilityFlow)):
            if not callable(field):
                raise TypeError(
                    f"field must be a Flow, a ProbabilityFlow or a function, got {field!r}"
                )
            field = Flow(field)
        if isinstance(field, ProbabilityFlow):
            sde = schedules.sde_of(field.sde).params()
            call.keep(sde)
            self.field.sde = address_of(sde)
        if isinstance(field, ProbabilityFlow) and isinstance(field.model, KDE):
            self.field.kind = _library.choice("SCF_FIELD_", "kde", "field")
            self.field.kde = field.model.handle
            bandwidth = field.base_bandwidth
            bandwidth = field.model.bandwidth if bandwidth is None else bandwidth
            self.field.base_bandwidth = math.nan if bandwidth is None else bandwidth
            self.field.labels = call.integers("labels", field.labels, m, "int32")
        else:
            kind = "score" if isinstance(field, ProbabilityFlow) else "function"
            self.field.kind = _library.choice("SCF_FIELD_", kind, "field")
            self.field.function = driver.callback("scf_field_fn", _field_function(field, call, d))
        self.times = np.ascontiguousarray(times, np.float64).reshape(-1)
        drawn, own = _noise.split(noise)
        if own is not None or drawn.device_offset is not None:
            raise TypeError("noise must be a seed or a Noise without device_offset")
        self.params = call.new(
            "ode_params", solver=_library.choice("SCF_ODE_", solver, "solver"),
            times=self.times.ctypes.data, n_times=self.times.size, steps=steps, rtol=rtol,
            atol=atol, first_step=first_step, max_steps=max_steps,
            trace=_library.choice("SCF_TRACE_", trace or "none", "trace"),
            probe=_library.choice("SCF_PROBE_", probe, "probe"), probes=probes,
            seed=drawn.seed, offset=drawn.offset, first_row=drawn.first_row,
            progress=driver.callback("scf_ode_progress_fn", driver.report),
        )  # fmt: skip

    def count_steps(self, call, m):
        self.taken, self.params.steps_taken = call.output((m,), "int64")
        self.refused, self.params.steps_refused = call.output((m,), "int64")


def _call_for(field, x):
    if isinstance(field, ProbabilityFlow) and isinstance(field.model, KDE):
        return field.model.call_of("x", x)
    return Call.of("x", x)


def _told(result, strict):
    """Raises where samples failed and the caller wants none that did."""
    if result.failed and strict:
        names = ", ".join(_library.flags("SCF_ODE_STATUS_", result.status))
        error = Failed(
            f"{result.failed} samples failed ({names}), the first is sample {result.first_failed}; "
            "strict=False gives the rest"
        )
        error.status = result.status
        raise error


_SOLVER_HELP = """
    solver: "dopri5" (adaptive: rtol, atol, first_step or 0 to find one, max_steps), "euler",
    "heun", "rk4" (`steps` equal steps from each time to the next). progress: True for tqdm's bar,
    or a function (finished, m), which may return true to cancel. strict: samples that fail are an
    error; else they are NaN. Ctrl-C ends the run."""


def _documented(function):
    function.__doc__ = (function.__doc__ or "").rstrip() + _SOLVER_HELP
    return function


@_documented
def solve(
    field: Field,
    x: Any,
    times: Sequence[float] = (0.0, 1.0),
    *,
    states: bool = False,
    trace: Optional[str] = None,
    probe: str = "rademacher",
    probes: int = 1,
    noise: NoiseLike = 0,
    solver: str = "dopri5",
    steps: int = 100,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    first_step: float = 0.0,
    max_steps: int = 10000,
    strict: bool = True,
    progress: Union[bool, Callable[[int, int], Any], None] = None,
) -> Solution:
    """Solves a flow from x [m, d] at times[0] to the last time; times rise or fall.

    states: x at every time too. trace: None, "exact" or "hutchinson" (with `probes` of kind
    `probe`, drawn by `noise`), for the log-density along the way."""
    with _call_for(field, x) as call:
        m, d = call.shape_of("x", x)
        state = call.framework.copy(call.framework.convert(x, call.dtype))
        with _drivers.Driver(progress, m, "solve") as driver:
            run = _Run(call, driver, field, m, d, times, solver, steps, rtol, atol, first_step,
                       max_steps, trace, probe, probes, noise)  # fmt: skip
            run.count_steps(call, m)
            every = density = densities = pointer = None
            if states:
                every, run.params.states = call.output((run.times.size, m, d))
            if trace is not None:
                density, pointer = call.output((m,), "float64")
                if states:
                    densities, run.params.log_densities = call.output(
                        (run.times.size, m), "float64"
                    )
            result = call.new("ode_result")
            driver.run(call, "ode_solve", reference(run.field), reference(run.params),
                       call.view(state), m, d, d, pointer, reference(result))  # fmt: skip
    _told(result, strict)
    give = call.give
    return Solution(
        give(state), give(every), give(density), give(densities), give(run.taken),
        give(run.refused), _library.flags("SCF_ODE_STATUS_", result.status), result.failed,
        result.first_failed, result.calls, result.evaluations,
    )  # fmt: skip


@_documented
def encode(
    field: Field, x: Any, times: Sequence[float] = (0.0, 1.0), *, round_trip: bool = False,
    solver: str = "dopri5", steps: int = 100, rtol: float = 1e-5, atol: float = 1e-5,
    first_step: float = 0.0, max_steps: int = 10000, strict: bool = True, progress: Any = None,
) -> Any:  # fmt: skip
    """Latents [m, d] of points x [m, d], along the flow from times[0] to the last time; with
    `round_trip` (latents, float64 [m]: the root mean square of decode(encode(x)) - x)."""
    with _call_for(field, x) as call:
        m, d = call.shape_of("x", x)
        with _drivers.Driver(progress, m, "encode") as driver:
            run = _Run(call, driver, field, m, d, times, solver, steps, rtol, atol, first_step,
                       max_steps)  # fmt: skip
            latents, pointer = call.output((m, d))
            error, at_error = call.output((m,), "float64") if round_trip else (None, None)
            result = call.new("ode_result")
            address, ld = call.matrix("x", x)
            driver.run(call, "ode_encode", reference(run.field), reference(run.params), address, m,
                       d, ld, pointer, d, at_error, reference(result))  # fmt: skip
    _told(result, strict)
    return (call.give(latents), call.give(error)) if round_trip else call.give(latents)


@_documented
def decode(
    field: Field, latents: Any, times: Sequence[float] = (0.0, 1.0), *, solver: str = "dopri5",
    steps: int = 100, rtol: float = 1e-5, atol: float = 1e-5, first_step: float = 0.0,
    max_steps: int = 10000, strict: bool = True, progress: Any = None,
) -> Any:  # fmt: skip
    """Points [m, d] of latents [m, d], along the flow from the last time back to times[0]."""
    with _call_for(field, latents) as call:
        m, d = call.shape_of("latents", latents)
        with _drivers.Driver(progress, m, "decode") as driver:
            run = _Run(call, driver, field, m, d, times, solver, steps, rtol, atol, first_step,
                       max_steps)  # fmt: skip
            points, pointer = call.output((m, d))
            result = call.new("ode_result")
            address, ld = call.matrix("latents", latents)
            driver.run(call, "ode_decode", reference(run.field), reference(run.params), address, m,
                       d, ld, pointer, d, reference(result))  # fmt: skip
    _told(result, strict)
    return call.give(points)


class Likelihood(NamedTuple):
    """log_density float64 [m], nats; latents [m, d]: where the points end; mean and bits per
    dimension: numbers, NaN where a sample failed."""

    log_density: Any
    latents: Any
    mean_log_density: float
    bits_per_dimension: float
    evaluations: int


@_documented
def log_likelihood(
    field: Field, x: Any, times: Sequence[float] = (0.0, 1.0), *, trace: str = "exact",
    prior: Optional[str] = None, prior_variance: Optional[float] = None, bin_width: float = 1.0,
    probe: str = "rademacher", probes: int = 1, noise: NoiseLike = 0, solver: str = "dopri5",
    steps: int = 100, rtol: float = 1e-5, atol: float = 1e-5, first_step: float = 0.0,
    max_steps: int = 10000, strict: bool = True, progress: Any = None,
) -> Likelihood:  # fmt: skip
    """log p(x), [m], of points x [m, d] at times[0]: the prior's at the last time, and the trace's
    integral.

    prior: "exact" or "matched" of a KDE, or "gaussian" of prior_variance; by default "exact" of a
    KDE, else the papers' Gaussian. bin_width: of the data's bins, for bits per dimension."""
    with _call_for(field, x) as call:
        m, d = call.shape_of("x", x)
        with _drivers.Driver(progress, m, "likelihood") as driver:
            run = _Run(call, driver, field, m, d, times, solver, steps, rtol, atol, first_step,
                       max_steps, trace, probe, probes, noise)  # fmt: skip
            likelihood = call.new("likelihood_params", bin_width=bin_width, ld_latents=d)
            if prior is not None:
                likelihood.prior = _library.choice("SCF_PRIOR_", prior, "prior")
            if prior_variance is not None:
                likelihood.prior_variance = prior_variance
            latents, likelihood.latents = call.output((m, d))
            density, pointer = call.output((m,), "float64")
            result = call.new("likelihood_result")
            address, ld = call.matrix("x", x)
            driver.run(
                call,
                "ode_log_likelihood",
                reference(run.field),
                reference(run.params),
                reference(likelihood),
                address,
                m,
                d,
                ld,
                pointer,
                reference(result),
            )
    _told(result.solution, strict)
    return Likelihood(call.give(density), call.give(latents), result.mean_log_density,
                      result.bits_per_dimension, result.solution.evaluations)  # fmt: skip


class Adjoint(NamedTuple):
    """gradient [m, d], dL/dx at times[0]; of a KDE's flow where asked: dL/d log h0, float64, and
    dL/dy_k [n, d]."""

    gradient: Any
    log_bandwidth_gradient: Any
    data_gradient: Any


@_documented
def adjoint(
    field: Field, x: Any, output_gradients: Any, times: Sequence[float] = (0.0, 1.0), *,
    method: str = "discrete", checkpoint_every: int = 16, log_bandwidth: bool = False,
    data: bool = False, solver: str = "dopri5", steps: int = 100, rtol: float = 1e-5,
    atol: float = 1e-5, first_step: float = 0.0, max_steps: int = 10000, strict: bool = True,
    progress: Any = None,
) -> Adjoint:  # fmt: skip
    """The gradient of a loss of the states at the times by x, the states at times[0].

    output_gradients: [times, m, d], dL/dx(times[j]). method: "discrete", exact for the solver's own
    steps, or "continuous". A Flow needs its vjp. log_bandwidth, data: of a KDE's flow alone."""
    of_kde = isinstance(field, ProbabilityFlow) and isinstance(field.model, KDE)
    if (log_bandwidth or data) and not of_kde:
        raise ValueError("log_bandwidth and data: the field is not a KDE's ProbabilityFlow")
    with _call_for(field, x) as call:
        m, d = call.shape_of("x", x)
        with _drivers.Driver(progress, m, "adjoint") as driver:
            run = _Run(call, driver, field, m, d, times, solver, steps, rtol, atol, first_step,
                       max_steps)  # fmt: skip
            wanted = call.new(
                "adjoint_params", method=_library.choice("SCF_ADJOINT_", method, "method"),
                checkpoint_every=checkpoint_every,
                output_gradients=call.block("output_gradients", output_gradients,
                                            (run.times.size, m, d)),
                ld_data_gradient=d,
            )  # fmt: skip
            of_bandwidth = of_data = None
            if log_bandwidth:
                of_bandwidth, wanted.log_bandwidth_gradient = call.output((), "float64")
            if data:
                of_data, wanted.data_gradient = call.output((field.model.size, d))
            gradient, pointer = call.output((m, d))
            result = call.new("ode_result")
            address, ld = call.matrix("x", x)
            driver.run(
                call,
                "ode_adjoint",
                reference(run.field),
                reference(run.params),
                reference(wanted),
                address,
                m,
                d,
                ld,
                pointer,
                d,
                reference(result),
            )
    _told(result, strict)
    return Adjoint(call.give(gradient), call.give(of_bandwidth), call.give(of_data))


@_documented
def local_variance(
    field: Field, x: Any, times: Sequence[float] = (0.0, 1.0), *, method: str = "noise",
    epsilon: Optional[float] = None, draws: int = 1, noise: NoiseLike = 0, solver: str = "dopri5",
    steps: int = 100, rtol: float = 1e-5, atol: float = 1e-5, first_step: float = 0.0,
    max_steps: int = 10000, strict: bool = True, progress: Any = None,
) -> Any:  # fmt: skip
    """How much the flow's map f stretches noise at x: E |f(x + e) - f(x)|^2 / E |e|^2, float64 [m].

    method: "noise", e = epsilon z, or "jacobian", its limit; averages of `draws` estimates."""
    with _call_for(field, x) as call:
        m, d = call.shape_of("x", x)
        drawn, own = _noise.split(noise)
        if own is not None:
            raise TypeError("noise must be a seed or a Noise")
        with _drivers.Driver(progress, m, "local variance") as driver:
            run = _Run(call, driver, field, m, d, times, solver, steps, rtol, atol, first_step,
                       max_steps)  # fmt: skip
            of = call.new(
                "local_variance_params", draws=draws, seed=drawn.seed, offset=drawn.offset,
                first_row=drawn.first_row,
                method=_library.choice("SCF_LOCAL_VARIANCE_", method, "method"),
            )  # fmt: skip
            if epsilon is not None:
                of.epsilon = epsilon
            values, pointer = call.output((m,), "float64")
            result = call.new("ode_result")
            address, ld = call.matrix("x", x)
            driver.run(call, "ode_local_variance", reference(run.field), reference(run.params),
                       reference(of), address, m, d, ld, pointer, reference(result))  # fmt: skip
    _told(result, strict)
    return call.give(values)


__all__ = [
    "Adjoint", "Failed", "Field", "Flow", "Likelihood", "ProbabilityFlow", "Solution", "adjoint",
    "decode", "encode", "local_variance", "log_likelihood", "solve",
]  # fmt: skip

"""From noise to samples: steps as one fused call each, and whole samplers over a model or a KDE.

A state x [m, d] is at a level (a, sigma): x = a x0 + sigma z. A model is a Python function or a
KDE; a model's output there is, by its form, "score" s, "epsilon" = -sigma s, "x0" or "v". Formulas,
sources and determinism: scorefield/sampler.h. Schedules: scorefield.schedules.
"""

import operator
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, Optional, Union

import numpy as np

from . import _arrays, _drivers, _library, _noise, schedules
from ._arrays import Call, reference
from ._noise import NoiseLike
from .kde import KDE

# ---- Steps --------------------------------------------------------------------------------------

# Fields that may be a number or float64 [m]: the array's field has an s.
_PER_SAMPLE = (
    "signal_scale", "sigma", "next_signal_scale", "next_sigma", "before_signal_scale",
    "before_sigma", "step_size", "drift", "diffusion", "interval",
)  # fmt: skip


def _step_params(call, m, d, noise=0, form="score", variance=None, rule=None, **options):
    drawn, own = _noise.split(noise)
    params = call.new("step_params", form=_library.choice("SCF_FORM_", form, "form"),
                      **_noise.fields(call, drawn))  # fmt: skip
    params.noise, params.ld_noise = call.matrix("noise", own, m, d)
    if variance is not None:
        params.variance = _library.choice("SCF_VARIANCE_", variance, "variance")
    if rule is not None:
        params.rule = _library.choice("SCF_CORRECTOR_", rule, "rule")
    for name, value in options.items():
        if value is None:
            continue
        if name in _PER_SAMPLE and _arrays.is_array(value):
            setattr(params, name + "s", call.doubles(name, value, m))
        else:
            setattr(params, name, float(value))
    return params


def _level(given):
    """Where the output was asked, of steps that need it for other forms than the score."""
    for name in given:
        if name not in ("form", "signal_scale", "sigma"):
            raise TypeError(f"unexpected argument {name!r}")
    return given


def _step(name, x, inputs, options, denoised=False, form_wanted=None):
    """x and inputs, (label, array) each, to the next state; with `denoised` (next, x0^)."""
    with Call.of("x", x) as call:
        m, d = call.shape_of("x", x)
        params = _step_params(call, m, d, **options)
        arguments = [*call.matrix("x", x)]
        for label, array in inputs:
            if label == "known" and array is not None and len(np.shape(array)) == 1:
                arguments += [call.vector(label, array, d), 0]  # one row for all
            else:
                arguments += call.matrix(label, array, m, d)
        if form_wanted is not None:
            arguments.append(_library.choice("SCF_FORM_", form_wanted, "form_wanted"))
        made, pointer = call.output((m, d))
        x0 = None
        if denoised:
            x0, params.denoised = call.output((m, d))
            params.ld_denoised = d
        workspace = ()
        if name == "corrector_step":
            workspace = call.sized_workspace("corrector", reference(params), m, d)
        call.run(name, reference(params), m, d, *arguments, pointer, d, *workspace)
    return (call.give(made), call.give(x0)) if denoised else call.give(made)


def langevin_step(
    x: Any, output: Any, noise: NoiseLike = 0, *, step_size: Union[float, Any],
    temperature: float = 1.0, **level,
) -> Any:  # fmt: skip
    """x + alpha s + sqrt(2 alpha T) z. Other forms than the score: form, signal_scale, sigma."""
    options = {"noise": noise, "step_size": step_size, "temperature": temperature,
               **_level(level)}  # fmt: skip
    return _step("langevin_step", x, [("output", output)], options)


def denoise_step(x: Any, output: Any, *, sigma: Union[float, Any], signal_scale: Any = 1.0,
                 form: str = "score", clip: Optional[float] = None) -> Any:  # fmt: skip
    """x0^, the denoised x: the last step of a sampler."""
    options = {"sigma": sigma, "signal_scale": signal_scale, "form": form, "clip": clip}
    return _step("denoise_step", x, [("output", output)], options)


def _to_next(sigma, next_sigma, signal_scale, next_signal_scale):
    return {"sigma": sigma, "next_sigma": next_sigma, "signal_scale": signal_scale,
            "next_signal_scale": next_signal_scale}  # fmt: skip


def ancestral_step(
    x: Any, output: Any, noise: NoiseLike = 0, *, sigma: Any, next_sigma: Any,
    signal_scale: Any = 1.0,
    next_signal_scale: Any = 1.0, form: str = "score", variance: str = "small",
    clip: Optional[float] = None, temperature: float = 1.0, denoised: bool = False,
) -> Any:  # fmt: skip
    """DDPM's step from level (a, sigma) to the next. variance: "small" or "large"."""
    options = {
        **_to_next(sigma, next_sigma, signal_scale, next_signal_scale),
        "noise": noise,
        "form": form,
        "variance": variance,
        "clip": clip,
        "temperature": temperature,
    }
    return _step("ancestral_step", x, [("output", output)], options, denoised)


def ddim_step(
    x: Any, output: Any, noise: NoiseLike = 0, *, sigma: Any, next_sigma: Any,
    signal_scale: Any = 1.0,
    next_signal_scale: Any = 1.0, form: str = "score", eta: float = 0.0,
    clip: Optional[float] = None, temperature: float = 1.0, denoised: bool = False,
) -> Any:  # fmt: skip
    """DDIM's step; with eta = 0 and a = a' = 1 Euler's step of EDM."""
    options = {**_to_next(sigma, next_sigma, signal_scale, next_signal_scale), "noise": noise,
               "form": form, "eta": eta, "clip": clip, "temperature": temperature}  # fmt: skip
    return _step("ddim_step", x, [("output", output)], options, denoised)


def reverse_diffusion_step(
    x: Any, output: Any, noise: NoiseLike = 0, *, sigma: Any, next_sigma: Any,
    signal_scale: Any = 1.0,
    next_signal_scale: Any = 1.0, form: str = "score", temperature: float = 1.0,
    denoised: bool = False,
) -> Any:  # fmt: skip
    """(2 - r) x + b s + sqrt(b T) z."""
    options = {**_to_next(sigma, next_sigma, signal_scale, next_signal_scale), "noise": noise,
               "form": form, "temperature": temperature}  # fmt: skip
    return _step("reverse_diffusion_step", x, [("output", output)], options, denoised)


def euler_maruyama_step(
    x: Any, output: Any, noise: NoiseLike = 0, *, diffusion: Any, interval: Any, drift: Any = 0.0,
    temperature: float = 1.0, **level,
) -> Any:  # fmt: skip
    """x - (f x - g^2 s) dt + g sqrt(dt T) z, backward in time by interval dt > 0."""
    options = {"noise": noise, "drift": drift, "diffusion": diffusion, "interval": interval,
               "temperature": temperature, **_level(level)}  # fmt: skip
    return _step("euler_maruyama_step", x, [("output", output)], options)


def corrector_step(
    x: Any, output: Any, noise: NoiseLike = 0, *, sigma: Any = None, rule: str = "sigma",
    snr: float = 0.16, corrector_scale: float = 1.0, temperature: float = 1.0, **level,
) -> Any:  # fmt: skip
    """x + e s + sqrt(2 e T) z, e by the rule "sigma", "sample" or "batch"."""
    options = {"noise": noise, "sigma": sigma, "rule": rule, "snr": snr,
               "corrector_scale": corrector_scale, "temperature": temperature,
               **_level(level)}  # fmt: skip
    return _step("corrector_step", x, [("output", output)], options)


def churn_step(x: Any, noise: NoiseLike = 0, *, sigma: Any, next_sigma: Any,
               temperature: float = 1.0) -> Any:  # fmt: skip
    """x + sqrt(sigma'^2 - sigma^2) sqrt(T) z, up to sigma' >= sigma."""
    options = {"noise": noise, "sigma": sigma, "next_sigma": next_sigma, "temperature": temperature}
    return _step("churn_step", x, [], options)


def heun_step(
    x: Any, output: Any, denoised: Any, *, sigma: Any, next_sigma: Any, signal_scale: Any = 1.0,
    next_signal_scale: Any = 1.0, form: str = "score",
) -> Any:  # fmt: skip
    """The trapezoid after Euler's step to x, which started at (a, sigma) with denoised x0^."""
    options = {**_to_next(sigma, next_sigma, signal_scale, next_signal_scale), "form": form}
    return _step("heun_step", x, [("output", output), ("denoised", denoised)], options)


def dpmpp_step(
    x: Any, output: Any, previous: Optional[Any] = None, *, sigma: Any, next_sigma: Any,
    signal_scale: Any = 1.0, next_signal_scale: Any = 1.0, before_sigma: Any = None,
    before_signal_scale: Any = None, form: str = "score", clip: Optional[float] = None,
) -> tuple[Any, Any]:  # fmt: skip
    """DPM-Solver++(2M): (next, x0^). previous: x0^ of the step before, from the level `before`."""
    options = {**_to_next(sigma, next_sigma, signal_scale, next_signal_scale), "form": form,
               "before_sigma": before_sigma, "before_signal_scale": before_signal_scale,
               "clip": clip}  # fmt: skip
    return _step("dpmpp_step", x, [("output", output), ("previous", previous)], options, True)


def known_step(x: Any, known: Any, noise: NoiseLike = 0, *, sigma: Any,
               signal_scale: Any = 1.0) -> Any:  # fmt: skip
    """a known + sigma z where known ([m, d], or [d] for all) is not NaN, else x: inpainting."""
    options = {"noise": noise, "sigma": sigma, "signal_scale": signal_scale}
    return _step("known_step", x, [("known", known)], options)


def convert_output(x: Any, output: Any, form: str, form_wanted: str, *, sigma: Any,
                   signal_scale: Any = 1.0) -> Any:  # fmt: skip
    """A model's output at x in another form."""
    options = {"form": form, "sigma": sigma, "signal_scale": signal_scale}
    return _step("convert_output", x, [("output", output)], options, form_wanted=form_wanted)


# ---- Whole samplers -----------------------------------------------------------------------------


class Level(NamedTuple):
    """Where a model is asked. signal_scale, sigma and time: columns [m, 1] of x's framework and
    dtype, the same in every row in a sampler and each row's own in a flow; step: of the sampler's,
    or -1 in a flow."""

    signal_scale: Any
    sigma: Any
    time: Any
    step: int


# A model: f(x [m, d], Level) -> [m, d].
Model = Callable[[Any, Level], Any]


@dataclass
class Samples:
    """x [m, d]: after steps_done steps. evaluations of the model, of all rows each. status: of all
    steps, by name. trajectory [1 + steps/k, m, d] and previous (DPM-Solver++'s x0^) where asked."""

    x: Any
    steps_done: int = 0
    failed_step: int = -1
    evaluations: int = 0
    status: tuple[str, ...] = ()
    trajectory: Optional[Any] = None
    previous: Optional[Any] = None


def _model_callback(function, call, m, d, added=False):
    framework = call.framework

    def ask(address):
        request = _library.struct_at("model_request", address)
        with framework.on_stream(request.stream):
            # A copy: a view of the driver's memory might be kept for longer than it lives.
            x = framework.give(
                framework.copy(framework.borrowed(request.x, (m, d), (request.ldx, 1), call.dtype))
            )
            columns = (
                framework.full((m, 1), value, call.dtype)
                for value in (request.signal_scale, request.sigma, request.time)
            )
            made = function(x, Level(*columns, request.step))
            output = framework.borrowed(request.output, (m, d), (request.ld_output, 1), call.dtype)
            if added:
                made = framework.copy(output) + made
            framework.assign(output, made, "the model's output")

    return ask


def _flag(value):
    return int(bool(value))


_NUMBERS = (
    "corrector_steps", "snr", "eta", "clip", "temperature", "churn", "churn_min", "churn_max",
    "churn_noise", "first_step", "stop_step", "trajectory_every",
)  # fmt: skip
_WHOLE = ("corrector_steps", "first_step", "stop_step", "trajectory_every")


def sample(
    model: Union[KDE, Model],
    x: Any,
    method: str = "pc",
    *,
    sde: Any = None,
    steps: Optional[int] = None,
    schedule: Optional[schedules.Schedule] = None,
    step_size: float = 2e-5,
    noise: NoiseLike = 0,
    start: Optional[str] = None,
    form: str = "score",
    like: Optional[Any] = None,
    predictor: Optional[str] = None,
    corrector_first: bool = False,
    rule: Optional[str] = None,
    variance: Optional[str] = None,
    denoise: bool = False,
    base_bandwidth: Optional[float] = None,
    labels: Optional[Any] = None,
    guidance: Optional[Model] = None,
    known: Optional[Any] = None,
    previous: Optional[Any] = None,
    trajectory: bool = False,
    progress: Union[bool, Callable[[int, int], Any], None] = None,
    **numbers,
) -> Samples:
    """Runs a whole sampler.

    model: f(x, level) -> the output in `form`, [m, d]; or a KDE, exactly. x: states [m, d] at the
    first level, which stay as they are; or the shape (m, d) alone, to start at the prior (of a
    KDE's framework and dtype, or of those of `like`, else NumPy's float64). method: "smld", "ddpm",
    "ddim", "pc", "em", "edm", "dpmpp", over `schedule`, or the method's usual one of `steps` under
    `sde` ("ve", "vp", "subvp" or an SDE). start: "given", "prior" or, of a KDE, "matched".
    guidance: f(x, level) -> [m, d], added to the score. known: [m, d] or [d], coordinates that are
    put back, NaN where unknown. labels: of a KDE, int32 [m]. progress: True for tqdm's bar, or a
    function (step, steps), which may return true to cancel. Numbers by name: corrector_steps, snr,
    eta, clip, temperature, churn, churn_min, churn_max, churn_noise, first_step, stop_step,
    trajectory_every.

    What a model raises is raised again; Ctrl-C ends the run. Errors of a run have it as far as it
    got in `result`.
    """
    of_kde = isinstance(model, KDE)
    if isinstance(x, tuple):
        if like is None and of_kde:
            call = Call(model.framework, model.dtype)
        else:
            call = Call(_arrays.Numpy(), "float64") if like is None else Call.of("like", like)
        (m, d), given = x, None
        state = call.framework.empty((m, d), call.dtype)
        start = start or "prior"
    else:
        call = model.call_of("x", x) if of_kde else Call.of("x", x)
        (m, d), given = call.shape_of("x", x), x
        state = call.framework.copy(call.framework.convert(given, call.dtype))
        start = start or "given"
    if schedule is None:
        if sde is None or steps is None:
            raise ValueError("either a schedule or sde and steps must be given")
        schedule = schedules.sampler_schedule(method, sde, steps, step_size)
    unknown = set(numbers) - set(_NUMBERS)
    if unknown:
        raise TypeError(f"unexpected arguments: {', '.join(sorted(unknown))}")

    drawn, own = _noise.split(noise)
    if own is not None or drawn.device_offset is not None:
        raise TypeError("noise must be a seed or a Noise without device_offset")
    with call:
        params = call.new(
            "sampler_params", method=_library.choice("SCF_SAMPLER_", method, "method"),
            steps=schedule.steps(), corrector_first=_flag(corrector_first), denoise=_flag(denoise),
            start=_library.choice("SCF_START_", start, "start"),
            form=_library.choice("SCF_FORM_", form, "form"),
            seed=drawn.seed, offset=drawn.offset, first_row=drawn.first_row,
            labels=call.integers("labels", labels, m, "int32"),
        )  # fmt: skip
        for name, value in numbers.items():
            if value is not None:
                whole = name in _WHOLE
                setattr(params, name, operator.index(value) if whole else float(value))
        for prefix, name, value in (
            ("SCF_PREDICTOR_", "predictor", predictor), ("SCF_CORRECTOR_", "rule", rule),
            ("SCF_VARIANCE_", "variance", variance),
        ):  # fmt: skip
            if value is not None:
                setattr(params, name, _library.choice(prefix, value, name))
        _use_schedule(call, params, schedule)
        if known is not None:
            if len(np.shape(known)) == 1:
                params.known = call.vector("known", known, d)
            else:
                params.known, params.ld_known = call.matrix("known", known, m, d)
        if of_kde:
            params.kde = model.handle
            bandwidth = model.bandwidth if base_bandwidth is None else base_bandwidth
            if bandwidth is not None:
                params.base_bandwidth = bandwidth
        kept, path = _kept(call, params, m, d, method, previous, trajectory)
        address = call.view(state)
        result = call.new("sampler_result")
        total = schedule.steps()
        with _drivers.Driver(progress, total, "sample") as driver:
            if not of_kde:
                params.model = driver.callback("scf_model_fn", _model_callback(model, call, m, d))
            if guidance is not None:
                params.guidance = driver.callback(
                    "scf_model_fn", _model_callback(guidance, call, m, d, added=True)
                )
            params.progress = driver.callback("scf_sampler_progress_fn", driver.report)
            if call.framework.backend and not driver.asked_for:
                # A report waits for the device: seldom is enough to be stopped by.
                params.progress_every = max(1, total // 16)

            def what_was_done():
                return Samples(
                    call.give(state), result.steps_done, result.failed_step, result.evaluations,
                    _library.flags("SCF_STEP_STATUS_", result.status), call.give(path),
                    call.give(kept),
                )  # fmt: skip

            try:
                driver.run(call, "sample", reference(params), address, m, d, d, reference(result))
            except BaseException as error:
                error.result = what_was_done()
                raise
    return what_was_done()


def _use_schedule(call, params, schedule):
    """Points the params at the schedule's arrays, of checked lengths."""
    steps = schedule.steps()
    lengths = {
        "sigmas": steps + 1,
        "signal_scales": steps + 1,
        "times": steps + 1,
        "step_sizes": steps,
        "drifts": steps,
        "diffusions": steps,
        "intervals": steps,
    }
    for name, length in lengths.items():
        values = getattr(schedule, name)
        if values is None:
            continue
        values = np.ascontiguousarray(values, np.float64)
        if values.shape != (length,):
            raise ValueError(f"schedule.{name} must have shape ({length},), got {values.shape}")
        call.keep(values)
        setattr(params, name, values.ctypes.data)


def _kept(call, params, m, d, method, previous, trajectory):
    """DPM-Solver++'s x0^ of the step before, and the trajectory's array."""
    kept = path = None
    if method == "dpmpp":
        if previous is None:
            kept, params.previous = call.output((m, d))
        else:
            call.matrix("previous", previous, m, d)
            kept = call.framework.copy(call.framework.convert(previous, call.dtype))
            params.previous = call.view(kept)
    if trajectory:
        first = params.first_step
        last = params.steps if params.stop_step < 0 else params.stop_step
        count = 1 + max(last - first, 0) // max(params.trajectory_every, 1)
        path, params.trajectory = call.output((count, m, d))
    return kept, path


__all__ = [
    "Level", "Model", "Samples", "ancestral_step", "churn_step", "convert_output", "corrector_step",
    "ddim_step", "denoise_step", "dpmpp_step", "euler_maruyama_step", "heun_step", "known_step",
    "langevin_step", "reverse_diffusion_step", "sample",
]  # fmt: skip

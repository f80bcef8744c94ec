"""The score of data: a Gaussian kernel density estimate, exactly, in any dimension.

Shapes: n data and m queries in d dimensions. Units: densities in nats, scores 1/x.
"""

import ctypes
import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

from . import _abi, _arrays, _drivers, _library, _noise
from ._arrays import Call, reference

ANY_LABEL = _abi.CONSTANTS["SCF_KDE_ANY_LABEL"]

# Outputs of evaluate(): shape by the letters of m, d and top K.
_OUTPUTS = {
    "log_density": "m",
    "score": "md",
    "denoised": "md",
    "divergence": "m",
    "jacobian_product": "md",
    "quadratic_form": "m",
    "effective_sample_size": "m",
    "top_indices": "mk",
    "top_weights": "mk",
    "evaluated": "m",
    "method": "m",
}
_DTYPES = {"top_indices": "int64", "evaluated": "int64", "method": "int32"}
METHODS = tuple(_abi.CHOICES["SCF_KDE_METHOD_"])  # names of the output `method`'s numbers
# Those that go with a leading dimension, in the struct as in the arrays.
_STRIDED = ("score", "denoised", "jacobian_product")


@dataclass(frozen=True)
class BandwidthFit:
    """What a fit found: `loss` is the mean at `bandwidth`; at_edge: a better one may lie beyond."""

    bandwidth: float
    loss: float
    evaluations: int
    at_edge: bool


def query_params(call, kde, m, *, bandwidth=None, signal_scale=1.0, skip=None, labels=None,
                 tangent=None, top=0, tolerance=0.0):  # fmt: skip
    """The struct scf_kde_query_params of what a caller gave."""
    bandwidth = kde.bandwidth if bandwidth is None else bandwidth
    if bandwidth is None:
        raise ValueError("bandwidth: the KDE has none of its own, so that each call must give it")
    params = call.new("kde_query_params", top=_library.int32("top", top), tolerance=tolerance)
    if _arrays.is_array(bandwidth):
        params.bandwidths = call.vector("bandwidth", bandwidth, m)
        if m == 0:  # the address of no elements is NULL, for which C takes the number
            params.bandwidth = 1.0
    else:
        params.bandwidth = float(bandwidth)
    if _arrays.is_array(signal_scale):
        params.signal_scales = call.vector("signal_scale", signal_scale, m)
    else:
        params.signal_scale = float(signal_scale)
    params.skip = call.integers("skip", skip, m, "int64")
    params.labels = call.integers("labels", labels, m, "int32")
    params.tangent, params.ld_tangent = call.matrix("tangent", tangent, m, kde.dimension)
    return params


class _Prepared:
    """Owns an scf_kde."""

    def __init__(self, handle):
        self.handle = handle
        weakref.finalize(self, _library.LIBRARY.scf_kde_destroy, handle)


class KDE:
    """p(x) = sum_k w_k N(x | a y_k, h^2 I) over data y, of bandwidth h and signal scale a.

    data: float32 or float64 [n, d], NumPy's, PyTorch's or any other's, on the CPU or on CUDA;
    copied. bandwidth: h > 0, the default of every call; or None, and calls say. weights: [n] >= 0,
    or None for equal ones. labels: int32 [n], for queries of one class; or None. index: build what
    evaluations with a tolerance skip data by. debias: whether the data are first moved by h^2/2
    times their own score, which makes the density's bias of fourth order in h (SD-KDE).

    Queries x [m, d] are of the data's dtype and device, of any framework; results are of x's. Every
    method takes, for all queries or as an array [m] for each: `bandwidth`, `signal_scale` (a,
    default 1), and per query `skip` (int64 [m], the datum left out, -1 for none) and `labels`
    (int32 [m]: only data of this label are seen; scorefield.ANY_LABEL: all).

    It may be used from any number of threads at once.
    """

    def __init__(
        self,
        data: Any,
        bandwidth: Optional[float] = None,
        *,
        weights: Optional[Any] = None,
        labels: Optional[Any] = None,
        index: bool = False,
        debias: bool = False,
    ):
        if debias and bandwidth is None:
            raise ValueError("bandwidth: debias moves the data at a bandwidth, which must be given")
        with Call.of("data", data) as call:
            n, d = call.shape_of("data", data)
            address, ld = call.matrix("data", data)
            params = call.new(
                "kde_params",
                weights=call.vector("weights", weights, n),
                labels=call.integers("labels", labels, n, "int32"),
                index=int(index),
            )
            handle = ctypes.c_void_p()
            name = "scf_kde_create_debiased" if debias else "scf_kde_create"
            at = (float(bandwidth),) if debias else ()
            _library.call(
                name + call.suffix, call.context.handle, address, n, d, ld, reference(params), *at,
                call.stream, ctypes.byref(handle),
            )  # fmt: skip
            # On CUDA the weights' and data's copies must be done before the caller frees them.
            _library.call("scf_stream_synchronize", call.context.handle, call.stream)
        self._prepared = _Prepared(handle.value)
        self.size: int = n
        self.dimension: int = d
        self.dtype: str = call.dtype
        self.framework = call.framework
        self.bandwidth = bandwidth
        self.fit_result: Optional[BandwidthFit] = None

    @property
    def handle(self) -> int:
        """The address of the scf_kde."""
        return self._prepared.handle

    def __reduce__(self):
        raise TypeError(
            "a KDE's data live in the library, so that it cannot be pickled: pickle the data and "
            "prepare a KDE of them (scorefield.sklearn.KernelDensity does)"
        )

    def __copy__(self) -> "KDE":
        """Of the same prepared data, which do not change; the bandwidth is the copy's own."""
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __deepcopy__(self, memo) -> "KDE":
        return self.__copy__()

    @property
    def bandwidth(self) -> Optional[float]:
        """h of calls that give none."""
        return self._bandwidth

    @bandwidth.setter
    def bandwidth(self, value):
        value = None if value is None else float(value)
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"bandwidth must be > 0 and finite, got {value}")
        self._bandwidth = value

    def __repr__(self):
        return (
            f"KDE(size={self.size}, dimension={self.dimension}, dtype={self.dtype}, "
            f"bandwidth={self.bandwidth})"
        )

    def call_of(self, what, array) -> Call:
        """A call on the framework of an array, which must be of this KDE's dtype and device."""
        framework = _arrays.framework_of(array)
        if (framework.backend, framework.device) != (self.framework.backend, self.framework.device):
            raise ValueError(f"{what} must be on the data's device")
        return Call(framework, self.dtype)

    def evaluate(
        self,
        x: Any,
        outputs: Sequence[str] = ("log_density", "score"),
        *,
        bandwidth: Optional[Union[float, Any]] = None,
        signal_scale: Union[float, Any] = 1.0,
        skip: Optional[Any] = None,
        labels: Optional[Any] = None,
        tangent: Optional[Any] = None,
        top: int = 0,
        tolerance: float = 0.0,
    ) -> dict[str, Any]:
        """Any of the outputs at x [m, d], in one pass over the data, by name:

        log_density [m] nats; score [m, d] 1/x; denoised [m, d], E[y | x]; divergence [m] 1/x^2, of
        the score; jacobian_product [m, d], J v, and quadratic_form [m], v.J v, of `tangent` v [m,
        d]; effective_sample_size [m], 1 / sum_k p_k^2; top_indices int64 [m, top] and top_weights
        [m, top], the most probable data, at most 64; evaluated int64 [m], how many data were
        summed, and method int32 [m], how (METHODS).

        tolerance: the share of a query's sum of weights that may be left out, with a KDE that has
        an index; 0: none.
        """
        with self.call_of("x", x) as call:
            m, d = call.shape_of("x", x)
            address, ld = call.matrix("x", x, columns=self.dimension)
            params = query_params(call, self, m, bandwidth=bandwidth, signal_scale=signal_scale,
                                  skip=skip, labels=labels, tangent=tangent, top=top,
                                  tolerance=tolerance)  # fmt: skip
            written = call.new("kde_outputs")
            results = {}
            for name in outputs:
                if name not in _OUTPUTS:
                    known = ", ".join(_OUTPUTS)
                    raise ValueError(f"outputs: {name!r} is none of {known}")
                shape = [{"m": m, "d": d, "k": top}[letter] for letter in _OUTPUTS[name]]
                results[name], pointer = call.output(shape, _DTYPES.get(name))
                setattr(written, name, pointer)
                if name in _STRIDED:
                    setattr(written, "ld_" + name, d)
            workspace = call.sized_workspace(
                "kde_evaluate", self.handle, m, reference(params), reference(written)
            )
            call.run("kde_evaluate", self.handle, address, m, ld, reference(params),
                     reference(written), *workspace)  # fmt: skip
        return {name: call.give(array) for name, array in results.items()}

    def _one(self, x, name, **options):
        return self.evaluate(x, (name,), **options)[name]

    def log_density(self, x: Any, **options) -> Any:
        """log p(x), [m], nats."""
        return self._one(x, "log_density", **options)

    def score(self, x: Any, **options) -> Any:
        """grad_x log p(x), [m, d], units 1/x."""
        return self._one(x, "score", **options)

    def denoise(self, x: Any, **options) -> Any:
        """E[y | x], [m, d]: the data's posterior mean, Tweedie's formula."""
        return self._one(x, "denoised", **options)

    def divergence(self, x: Any, **options) -> Any:
        """div of the score, [m], units 1/x^2: the Laplacian of log p."""
        return self._one(x, "divergence", **options)

    def jvp(self, x: Any, v: Any, **options) -> Any:
        """J(x) v, [m, d], J the score's Jacobian, which is symmetric: the vjp too. v: [m, d]."""
        return self._one(x, "jacobian_product", tangent=v, **options)

    def quadratic_form(self, x: Any, v: Any, **options) -> Any:
        """v.J(x) v, [m]. v: [m, d]."""
        return self._one(x, "quadratic_form", tangent=v, **options)

    def effective_sample_size(self, x: Any, **options) -> Any:
        """1 / sum_k p_k^2 of the posterior over data, [m], in [1, n]."""
        return self._one(x, "effective_sample_size", **options)

    def nearest(self, x: Any, k: int, **options) -> tuple[Any, Any]:
        """The k most probable data of each query: indices int64 [m, k] and probabilities [m, k]."""
        found = self.evaluate(x, ("top_indices", "top_weights"), top=k, **options)
        return found["top_indices"], found["top_weights"]

    def log_density_curve(self, x: Any, bandwidths: Sequence[float], **options) -> Any:
        """log p(x) at each of G bandwidths, [G, m], nats: with skip, the leave-one-out curve.

        On the CPU each distance is computed once, whatever G.
        """
        import numpy as np

        grid = np.ascontiguousarray(bandwidths, np.float64)
        if grid.ndim != 1:
            raise ValueError(f"bandwidths must have one dimension, got {grid.ndim}")
        with self.call_of("x", x) as call:
            m, _ = call.shape_of("x", x)
            address, ld = call.matrix("x", x, columns=self.dimension)
            params = query_params(call, self, m, bandwidth=1.0, **options)
            result, pointer = call.output((len(grid), m))
            workspace = call.sized_workspace(
                "kde_log_density_curve", self.handle, m, reference(params), len(grid)
            )
            call.run("kde_log_density_curve", self.handle, address, m, ld, reference(params),
                     grid.ctypes.data, len(grid), pointer, m, *workspace)  # fmt: skip
        return call.give(result)

    def laplace(self, x: Any, **options) -> tuple[Any, Any]:
        """The density less h^2/2 times its Laplacian, whose bias is of fourth order in h: the
        logarithm of its magnitude [m], nats, and its sign, int32 [m]: it may be negative.
        """
        with self.call_of("x", x) as call:
            m, _ = call.shape_of("x", x)
            address, ld = call.matrix("x", x, columns=self.dimension)
            params = query_params(call, self, m, **options)
            magnitude, to_magnitude = call.output((m,))
            sign, to_sign = call.output((m,), "int32")
            workspace = call.sized_workspace("kde_laplace", self.handle, m, reference(params))
            call.run("kde_laplace", self.handle, address, m, ld, reference(params), to_magnitude,
                     to_sign, *workspace)  # fmt: skip
        return call.give(magnitude), call.give(sign)

    def gradient(
        self,
        x: Any,
        *,
        log_density_weights: Optional[Any] = None,
        score_weights: Optional[Any] = None,
        divergence_weights: Optional[Any] = None,
        quadratic_form_weights: Optional[Any] = None,
        wanted: Sequence[str] = ("data", "log_weights", "log_bandwidths"),
        **options,
    ) -> dict[str, Any]:
        """Gradients of L = sum_i g_i log p(x_i) + u_i.s(x_i) + b_i div s(x_i) + c_i v_i.J(x_i) v_i.

        g, b, c: [m]; u: [m, d]; v: `tangent` of the options. Wanted, by name: data [n, d], dL/dy_k;
        log_weights [n]; log_bandwidths [m], query by query. With b or c log_bandwidths alone.
        """
        with self.call_of("x", x) as call:
            m, d = call.shape_of("x", x)
            address, ld = call.matrix("x", x, columns=self.dimension)
            params = query_params(call, self, m, **options)
            gradients = call.new(
                "kde_gradients",
                log_density_weights=call.vector("log_density_weights", log_density_weights, m),
                divergence_weights=call.vector("divergence_weights", divergence_weights, m),
                quadratic_form_weights=call.vector(
                    "quadratic_form_weights", quadratic_form_weights, m
                ),
                ld_data=d,
            )
            gradients.score_weights, gradients.ld_score_weights = call.matrix(
                "score_weights", score_weights, m, d
            )
            shapes = {"data": (self.size, d), "log_weights": (self.size,), "log_bandwidths": (m,)}
            results = {}
            for name in wanted:
                if name not in shapes:
                    raise ValueError(f"wanted: {name!r} is none of {', '.join(shapes)}")
                results[name], pointer = call.output(shapes[name])
                setattr(gradients, name, pointer)
            workspace = call.sized_workspace(
                "kde_gradient", self.handle, m, reference(params), reference(gradients)
            )
            call.run("kde_gradient", self.handle, address, m, ld, reference(params),
                     reference(gradients), *workspace)  # fmt: skip
        return {name: call.give(array) for name, array in results.items()}

    def draw(
        self,
        count: int,
        noise: _noise.NoiseLike = 0,
        *,
        bandwidth: Optional[Union[float, Any]] = None,
        signal_scale: Union[float, Any] = 1.0,
        skip: Optional[Any] = None,
        labels: Optional[Any] = None,
        indices: bool = False,
    ) -> Any:
        """Exact draws of p: [count, d], of the data's framework; with `indices` (draws, int64
        [count]).

        noise: a seed or a Noise. bandwidth 0: the data themselves, resampled.
        """
        with Call(self.framework, self.dtype) as call:
            drawn, own = _noise.split(noise)
            if own is not None:
                raise TypeError("noise must be a seed or a Noise")
            random = call.new("random_params", **_noise.fields(call, drawn))
            params = query_params(call, self, count, bandwidth=bandwidth, signal_scale=signal_scale,
                                  skip=skip, labels=labels)  # fmt: skip
            points, address = call.output((count, self.dimension))
            chosen, pointer = call.output((count,), "int64") if indices else (None, None)
            workspace = call.sized_workspace("kde_draw", self.handle, count, reference(params))
            call.run("kde_draw", self.handle, reference(random), count, reference(params), address,
                     self.dimension, pointer, *workspace)  # fmt: skip
        points = call.give(points)
        return (points, call.give(chosen)) if indices else points

    def moments(self, label: Optional[int] = None) -> tuple[Any, Any]:
        """Mean and variance of the data, coordinate by coordinate with their weights: NumPy [d]
        each.
        """
        import numpy as np

        mean, variance = np.empty(self.dimension), np.empty(self.dimension)
        with Call(self.framework, self.dtype) as call:
            _library.call(
                "scf_kde_moments", call.context.handle, self.handle,
                ANY_LABEL if label is None else _library.int32("label", label), mean.ctypes.data,
                variance.ctypes.data, call.stream,
            )  # fmt: skip
        return mean, variance

    @classmethod
    def fit(
        cls,
        data: Any,
        loss: str = "likelihood",
        *,
        least: Optional[float] = None,
        most: Optional[float] = None,
        tolerance: float = 1e-4,
        max_evaluations: int = 100,
        weights: Optional[Any] = None,
        labels: Optional[Any] = None,
        progress: Union[bool, Callable[[int, float, float], Any], None] = None,
        **options,
    ) -> "KDE":
        """A KDE of data whose bandwidth makes a loss least, each datum left out in turn.

        loss: "likelihood", "ism", "dsm", "ssm", "fdssm", "fdssm_score", "fddsm" or "dde", with the
        options of scorefield.losses.kde_loss (sigma, epsilon, noise, ...). least, most: where the
        bandwidth is searched; by default from a fiftieth to ten times Silverman's rule for the
        data's spread, `most` further by twice sigma where there is one. progress: True for tqdm's
        bar, or a function (evaluations, bandwidth, loss), which may return True to cancel. What was
        found is fit_result.
        """
        from . import losses

        kde = cls(data, weights=weights, labels=labels)
        rule = _silverman(kde)
        sigma = options.get("sigma", 0.0)
        sigma = float(max(sigma) if _arrays.is_array(sigma) else sigma)
        with kde.call_of("data", data) as call:
            address, ld = call.matrix("data", data)
            chosen = call.new("kde_loss_params", loss=_library.choice("SCF_LOSS_", loss, "loss"))
            params = losses.loss_params(call, kde.size, kde.dimension, **options)
            fit = call.new(
                "bandwidth_fit",
                least=rule / 50 if least is None else least,
                most=math.hypot(10 * rule, 2 * sigma) if most is None else most,
                tolerance=tolerance,
                max_evaluations=_library.int32("max_evaluations", max_evaluations),
            )
            with _drivers.Driver(progress, max_evaluations, "fit") as driver:
                fit.progress = driver.callback("scf_fit_progress_fn", driver.report_fit)
                driver.run(call, "kde_fit_bandwidth", kde.handle, reference(chosen),
                           reference(params), address, ld, reference(fit))  # fmt: skip
        kde.bandwidth = fit.bandwidth
        kde.fit_result = BandwidthFit(fit.bandwidth, fit.loss, fit.evaluations, bool(fit.at_edge))
        return kde


def _silverman(kde):
    """Silverman's rule of thumb for the mean spread of the coordinates."""
    _, variance = kde.moments()
    spread = math.sqrt(max(float(variance.mean()), 0.0)) or 1.0
    n, d = kde.size, kde.dimension
    return spread * (n * (d + 2) / 4.0) ** (-1.0 / (d + 4))


__all__ = ["ANY_LABEL", "BandwidthFit", "KDE", "METHODS"]

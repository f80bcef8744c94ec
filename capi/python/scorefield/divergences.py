"""How far a model q is from data p, estimated at points where both were evaluated.

Value, standard error over the points, the integrand at every point, and gradients by the model's
outputs. Shapes: m points of p and n of q in d dimensions. Formulas and units:
scorefield/divergence.h.
"""

from typing import Any, NamedTuple, Optional, Union

from . import _arrays, _library, _noise
from ._arrays import Call, reference


class Divergence(NamedTuple):
    """value and standard_error: float64 (f2: [d]); integrand [m] (f2: [m, d]; js and jf: a pair, at
    the points of p and of q); gradients by log_q and score_q, or None."""

    value: Any
    standard_error: Any
    integrand: Any
    log_q_gradient: Any = None
    score_q_gradient: Any = None


class _Points:
    """One scf_divergence_points and the arrays that it writes."""

    def __init__(self, call, log_p, log_q, score_p, score_q, vector, gradients):
        first = next(((name, array, rank) for name, array, rank in (
            ("score_p", score_p, 2), ("log_p", log_p, 1), ("score_q", score_q, 2),
            ("log_q", log_q, 1),
        ) if array is not None), None)  # fmt: skip
        if first is None:
            raise TypeError("log-densities or scores must be given, got None for all of them")
        view = call._real(*first)
        m = view.shape[0]
        d = view.shape[1] if first[2] == 2 else 1
        self.m, self.d = m, d
        self.struct = call.new("divergence_points", m=m, d=d)
        self.struct.log_p = call.vector("log_p", log_p, m)
        self.struct.log_q = call.vector("log_q", log_q, m)
        self.struct.score_p, self.struct.ld_score_p = call.matrix("score_p", score_p, m, d)
        self.struct.score_q, self.struct.ld_score_q = call.matrix("score_q", score_q, m, d)
        self.integrand, self.struct.integrand = call.output((m, d) if vector else (m,))
        self.struct.ld_integrand = d
        self.log_q_gradient = self.score_q_gradient = None
        if gradients and log_q is not None:
            self.log_q_gradient, self.struct.log_q_gradient = call.output((m,))
        if gradients and score_q is not None:
            self.score_q_gradient, self.struct.score_q_gradient = call.output((m, d))
            self.struct.ld_score_q_gradient = d


def _outputs(call, d, vector, cotangent, gradient_scale):
    value, at_value = call.output((d,) if vector else (), "float64")
    error, at_error = call.output((d,) if vector else (), "float64")
    struct = call.new("divergence_outputs", value=at_value, standard_error=at_error,
                      gradient_scale=gradient_scale)  # fmt: skip
    struct.cotangent = call.vector("cotangent", cotangent, d)
    return struct, value, error


def _one(name, gradients, gradient_scale=1.0, cotangent=None, vector=False, **arrays):
    missing = [label for label, array in arrays.items() if array is None]
    if missing:
        raise TypeError(f"{name} needs {', '.join(arrays)}, got None for {', '.join(missing)}")
    first = next(iter(arrays.values()))
    arrays = {**dict.fromkeys(("log_p", "log_q", "score_p", "score_q")), **arrays}
    with Call.of("points", first) as call:
        points = _Points(call, vector=vector, gradients=gradients, **arrays)
        struct, value, error = _outputs(call, points.d, vector, cotangent, gradient_scale)
        workspace = call.sized_workspace("divergence", points.m, 0, points.d)
        call.run(f"{name}_divergence", reference(points.struct), reference(struct), *workspace)
    return Divergence(
        call.give(value), call.give(error), call.give(points.integrand),
        call.give(points.log_q_gradient), call.give(points.score_q_gradient),
    )  # fmt: skip


def fisher(
    score_p: Any, score_q: Any, *, gradients: bool = False, gradient_scale: float = 1.0
) -> Divergence:
    """1/2 <|s_p - s_q|^2>_p of scores [m, d]."""
    return _one("fisher", gradients, gradient_scale, score_p=score_p, score_q=score_q)


def kl(
    log_p: Any, log_q: Any, *, gradients: bool = False, gradient_scale: float = 1.0
) -> Divergence:
    """<log p - log q>_p of log-densities [m], nats."""
    return _one("kl", gradients, gradient_scale, log_p=log_p, log_q=log_q)


def kls(
    log_p: Any, log_q: Any, *, gradients: bool = False, gradient_scale: float = 1.0
) -> Divergence:
    """1/2 <(log p - log q)^2>_p of log-densities [m], the squared log-ratio."""
    return _one("kls", gradients, gradient_scale, log_p=log_p, log_q=log_q)


def f2(
    log_p: Any, log_q: Any, score_p: Any, score_q: Any, *, cotangent: Optional[Any] = None,
    gradient_scale: float = 1.0,
) -> Divergence:  # fmt: skip
    """<(log p - log q)(s_p - s_q)>_p, a vector [d]. Gradients are of its product with a cotangent
    [d].
    """
    return _one("f2", cotangent is not None, gradient_scale, cotangent, True, log_p=log_p,
                log_q=log_q, score_p=score_p, score_q=score_q)  # fmt: skip


class TwoSided(NamedTuple):
    """js and jf: what Divergence holds, at the points of p and at those of q, in pairs."""

    value: Any
    standard_error: Any
    integrand: Any
    log_q_gradient: Any
    score_q_gradient: Any


def _two(name, p, q, gradients, gradient_scale):
    keys = ("log_p", "log_q", "score_p", "score_q")
    with Call.of("points of p", p[0]) as call:
        sides = [
            _Points(call, vector=False, gradients=gradients,
                    **{**dict.fromkeys(keys), **dict(zip(keys, arrays))})
            for arrays in (p, q)
        ]  # fmt: skip
        d = max(side.d for side in sides)
        struct, value, error = _outputs(call, d, False, None, gradient_scale)
        workspace = call.sized_workspace("divergence", sides[0].m, sides[1].m, d)
        call.run(f"{name}_divergence", *(reference(side.struct) for side in sides),
                 reference(struct), *workspace)  # fmt: skip

    def pair(field):
        return tuple(call.give(getattr(side, field)) for side in sides)

    return TwoSided(call.give(value), call.give(error), pair("integrand"), pair("log_q_gradient"),
                    pair("score_q_gradient"))  # fmt: skip


def js(at_p, at_q, *, gradients: bool = False, gradient_scale: float = 1.0) -> TwoSided:
    """Jensen-Shannon, in [0, ln 2]. at_p: (log p, log q) at points of p, [m] each; at_q: at those
    of q.
    """
    return _two("js", tuple(at_p), tuple(at_q), gradients, gradient_scale)


def jf(at_p, at_q, *, gradients: bool = False, gradient_scale: float = 1.0) -> TwoSided:
    """Jensen-Fisher. at_p: (log p, log q, s_p, s_q) at points of p; at_q: at those of q."""
    return _two("jf", tuple(at_p), tuple(at_q), gradients, gradient_scale)


class LocalVariance(NamedTuple):
    """value and standard_error float64; integrand [m]; gradients by f and f_displaced, or None."""

    value: Any
    standard_error: Any
    integrand: Any
    f_gradient: Any = None
    f_displaced_gradient: Any = None


def local_variance(
    displacement: Any, f_displaced: Any, f: Optional[Any] = None, *, gradients: bool = False,
    gradient_scale: float = 1.0,
) -> LocalVariance:  # fmt: skip
    """G_f = <|f(x + e) - f(x)|^2> / <|e|^2>: displacement e [m, d], f_displaced f(x + e) [m, c] and
    f f(x) [m, c]; without f, f_displaced are products J_f e."""
    with Call.of("displacement", displacement) as call:
        m, d = call.shape_of("displacement", displacement)
        _, c = call.shape_of("f_displaced", f_displaced)
        points = call.new("local_variance_points", m=m, d=d, c=c)
        points.displacement, points.ld_displacement = call.matrix("displacement", displacement)
        points.f_displaced, points.ld_f_displaced = call.matrix("f_displaced", f_displaced, m)
        points.f, points.ld_f = call.matrix("f", f, m, c)
        integrand, points.integrand = call.output((m,))
        made = {"f_gradient": None, "f_displaced_gradient": None}
        for name in made:
            if gradients and (f is not None or name == "f_displaced_gradient"):
                made[name], pointer = call.output((m, c))
                setattr(points, name, pointer)
                setattr(points, "ld_" + name, c)
        struct, value, error = _outputs(call, d, False, None, gradient_scale)
        workspace = call.sized_workspace("divergence", m, 0, max(d, c))
        call.run("local_variance", reference(points), reference(struct), *workspace)
    return LocalVariance(call.give(value), call.give(error), call.give(integrand),
                         *(call.give(array) for array in made.values()))  # fmt: skip


class KdeDivergence(NamedTuple):
    """log_bandwidth_gradient: float64, d value / d log h_q; integrands at x and (js, jf) at y."""

    value: Any
    standard_error: Any
    x_integrand: Any
    y_integrand: Any
    log_bandwidth_gradient: Any


def kde_divergence(
    divergence: str,
    p,
    q,
    x: Any,
    y: Optional[Any] = None,
    *,
    p_options: Optional[dict] = None,
    q_options: Optional[dict] = None,
    cotangent: Optional[Any] = None,
    gradient_scale: float = 1.0,
    epsilon: float = 1.0,
    noise: Union[int, Any] = 0,
) -> KdeDivergence:
    """A divergence of two KDEs, "fisher", "kl", "kls", "f2", "js", "jf" or "local_variance", at
    points x [m, d] of p, and y [n, d] of q for js and jf. p_options, q_options: bandwidth, skip,
    labels of each KDE there."""
    from . import kde as kdes

    vector = divergence == "f2"
    with p.call_of("x", x) as call:
        m, d = call.shape_of("x", x)
        drawn, own = _noise.split(noise)
        params = call.new(
            "kde_divergence_params",
            divergence=_library.choice("SCF_DIVERGENCE_", divergence, "divergence"),
            p=p.handle, q=q.handle, m=m, epsilon=epsilon, **_noise.fields(call, drawn),
        )  # fmt: skip
        params.p_query = _arrays.address_of(kdes.query_params(call, p, m, **(p_options or {})))
        params.q_query = _arrays.address_of(kdes.query_params(call, q, m, **(q_options or {})))
        params.x, params.ldx = call.matrix("x", x, columns=p.dimension)
        params.noise, params.ld_noise = call.matrix("noise", own, m, d)
        at_x, x_pointer = call.output((m, d) if vector else (m,))
        at_y, y_pointer = None, None
        if y is not None:
            params.n, _ = call.shape_of("y", y)
            params.y, params.ldy = call.matrix("y", y, columns=p.dimension)
            at_y, y_pointer = call.output((params.n,))
        struct, value, error = _outputs(call, d, vector, cotangent, gradient_scale)
        slope, slope_pointer = None, None
        if not vector or cotangent is not None:
            slope, slope_pointer = call.output((), "float64")
        call.run("kde_divergence", reference(params), reference(struct), x_pointer, y_pointer,
                 slope_pointer)  # fmt: skip
    return KdeDivergence(*(call.give(array) for array in (value, error, at_x, at_y, slope)))

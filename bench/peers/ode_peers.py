"""Flows: scipy's solve_ivp and torchdiffeq beside scorefield, double precision, one thread.

usage: ode_peers.py LIBSCOREFIELD OUT.json

Two fields: the probability flow of VP with a KDE of n data as its score, from noise to data, and van der Pol's
oscillator, m samples of each. All sides use the method of Dormand and Prince at rtol = atol.

  one by one   scipy's RK45, a call for each sample: what controls each sample's error, as scorefield does. Only
               the first samples are solved: their mean time stands for all
  whole batch  scipy's RK45 with the batch as one system: one step for all, its error the mean over the batch
  torchdiffeq  odeint's dopri5 with the batch as one state, likewise; where it is installed, with PyTorch

The peers' field calls scorefield's KDE ("own field"): the ratio of times is then that of the solvers and their overhead
alone. Where it is said, they use a dense one of numpy or PyTorch instead, as their users would. scorefield has the KDE's
flow built in; of van der Pol's oscillator all sides call the same Python. Each result is compared with that of DOP853
at a tolerance of 1e-11 on some samples, and with a tight one of scorefield, which must agree with it, on all.
"""

import ctypes
import json
import os
import statistics
import sys
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
from scipy.integrate import solve_ivp

from scorefield_library import Library, Workspace, address

try:
    import torch
    import torchdiffeq

    torch.set_num_threads(1)
except ImportError:
    torchdiffeq = None

BASE_BANDWIDTH = 0.3
BETA_MIN, BETA_MAX = 0.1, 20.0
VP = 1
FUNCTION, KDE = 0, 2
MOST_ALONE = 10  # samples solved one by one
TIGHT = 1e-11


class FieldRequest(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("element_bytes", ctypes.c_int32),
        ("m", ctypes.c_int64),
        ("d", ctypes.c_int64),
        ("times", ctypes.POINTER(ctypes.c_double)),
        ("signal_scales", ctypes.c_void_p),
        ("sigmas", ctypes.c_void_p),
        ("samples", ctypes.c_void_p),
        ("x", ctypes.POINTER(ctypes.c_double)),
        ("ldx", ctypes.c_int64),
        ("value", ctypes.POINTER(ctypes.c_double)),
        ("ld_value", ctypes.c_int64),
    ]


FieldFunction = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.POINTER(FieldRequest))


class Field(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("kind", ctypes.c_int32),
        ("function", FieldFunction),
        ("user", ctypes.c_void_p),
        ("sde", ctypes.c_void_p),
        ("kde", ctypes.c_void_p),
        ("base_bandwidth", ctypes.c_double),
        ("labels", ctypes.c_void_p),
    ]


class OdeParams(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("solver", ctypes.c_int32),
        ("times", ctypes.c_void_p),
        ("n_times", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("rtol", ctypes.c_double),
        ("atol", ctypes.c_double),
        ("first_step", ctypes.c_double),
        ("max_steps", ctypes.c_int64),
        ("trace", ctypes.c_int32),
        ("probe", ctypes.c_int32),
        ("probes", ctypes.c_int64),
        ("seed", ctypes.c_uint64),
        ("offset", ctypes.c_uint64),
        ("first_row", ctypes.c_int64),
        ("states", ctypes.c_void_p),
        ("log_densities", ctypes.c_void_p),
        ("statuses", ctypes.c_void_p),
        ("steps_taken", ctypes.c_void_p),
        ("steps_refused", ctypes.c_void_p),
        ("progress", ctypes.c_void_p),
        ("progress_user", ctypes.c_void_p),
    ]


class OdeResult(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("status", ctypes.c_uint32),
        ("failed", ctypes.c_int64),
        ("first_failed", ctypes.c_int64),
        ("calls", ctypes.c_int64),
        ("evaluations", ctypes.c_int64),
    ]


class SdeParams(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("kind", ctypes.c_int32),
        ("sigma_min", ctypes.c_double),
        ("sigma_max", ctypes.c_double),
        ("beta_min", ctypes.c_double),
        ("beta_max", ctypes.c_double),
    ]


class QueryParams(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("top", ctypes.c_int32),
        ("bandwidth", ctypes.c_double),
        ("signal_scale", ctypes.c_double),
        ("rest", ctypes.c_uint64 * 7),
    ]


class Outputs(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("log_density", ctypes.c_void_p),
        ("score", ctypes.c_void_p),
        ("ld_score", ctypes.c_int64),
        ("rest", ctypes.c_uint64 * 9),
    ]


class Scorefield(Library):
    def solve(self, field, times, start, tolerance):
        """States at the last time, and evaluations a sample."""
        x = start.copy()
        m, d = x.shape
        times = np.array(times, np.float64)
        params = self.params(OdeParams, "scf_ode_params_init")
        params.times, params.n_times = times.ctypes.data, times.size
        params.rtol = params.atol = tolerance
        result = self.params(OdeResult, "scf_ode_result_init")
        self.call(
            "scf_ode_solve_f64", self.context, ctypes.byref(field), ctypes.byref(params), address(x),
            ctypes.c_int64(m), ctypes.c_int64(d), ctypes.c_int64(d), None, ctypes.byref(result), None,
        )
        if result.failed != 0:
            raise RuntimeError(f"{result.failed} samples failed")
        return x, result.evaluations / m


class KdeFlow:
    """The probability flow of VP from noise (t = 1) to data (t = 0)."""

    name = "KDE flow"
    times = (1.0, 0.0)

    def __init__(self, library, n, m, d):
        self.library = library
        generator = np.random.default_rng(d)
        centres = np.where(generator.random((n, 1)) < 0.7, 1.0, -1.0)
        self.data = centres + 0.5 * generator.standard_normal((n, d))
        self.start = generator.standard_normal((m, d))
        self.half_squares = 0.5 * (self.data * self.data).sum(axis=1)
        self.kde = ctypes.c_void_p()
        library.call(
            "scf_kde_create_f64", library.context, address(self.data), ctypes.c_int64(n), ctypes.c_int64(d),
            ctypes.c_int64(d), None, None, ctypes.byref(self.kde),
        )
        self.sde = library.params(SdeParams, "scf_sde_params_init")
        self.sde.kind, self.sde.beta_min, self.sde.beta_max = VP, BETA_MIN, BETA_MAX
        self.field = library.params(Field, "scf_field_init")
        self.field.kind, self.field.kde, self.field.base_bandwidth = KDE, self.kde, BASE_BANDWIDTH
        self.field.sde = ctypes.addressof(self.sde)
        self.query = library.params(QueryParams, "scf_kde_query_params_init")
        self.outputs = library.params(Outputs, "scf_kde_outputs_init")
        self.workspaces = {}
        self.fields = {"own field": self.own, "numpy field": self.dense}
        if torchdiffeq is not None:
            self.torch_data = torch.from_numpy(self.data)
            self.torch_half_squares = torch.from_numpy(self.half_squares)

    @staticmethod
    def level(t):
        """beta, a and the variance of the KDE's kernels at t."""
        exponent = BETA_MIN * t + 0.5 * (BETA_MAX - BETA_MIN) * t * t
        square = np.exp(-exponent)
        return BETA_MIN + t * (BETA_MAX - BETA_MIN), square**0.5, square * BASE_BANDWIDTH**2 - np.expm1(-exponent)

    def own(self, t, x):
        """The field with scorefield's score."""
        beta, a, variance = self.level(t)
        m, d = x.shape
        score = np.empty_like(x)
        query, outputs = self.query, self.outputs
        query.bandwidth, query.signal_scale = variance**0.5, a
        outputs.score, outputs.ld_score = score.ctypes.data, d
        if m not in self.workspaces:
            size = ctypes.c_size_t()
            self.library.call(
                "scf_kde_evaluate_workspace", self.library.context, self.kde, ctypes.c_int64(m), ctypes.byref(query),
                ctypes.byref(outputs), ctypes.byref(size),
            )
            self.workspaces[m] = Workspace(size.value)
        workspace = self.workspaces[m]
        self.library.call(
            "scf_kde_evaluate_f64", self.library.context, self.kde, address(x), ctypes.c_int64(m), ctypes.c_int64(d),
            ctypes.byref(query), ctypes.byref(outputs), workspace.pointer, workspace.size, None,
        )
        score += x
        score *= -0.5 * beta
        return score

    def dense(self, t, x):
        """The field with numpy's score: a product for the distances, one for the means."""
        beta, a, variance = self.level(t)
        exponents = x @ self.data.T
        exponents *= a / variance
        exponents -= a * a / variance * self.half_squares
        exponents -= exponents.max(axis=1, keepdims=True)
        np.exp(exponents, out=exponents)
        mean = exponents @ self.data / exponents.sum(axis=1, keepdims=True)
        return -0.5 * beta * (x + (a * mean - x) / variance)

    def torch_field(self, t, x):
        beta, a, variance = self.level(float(t))
        exponents = (x @ self.torch_data.T * a - a * a * self.torch_half_squares) / variance
        mean = torch.softmax(exponents, dim=1) @ self.torch_data
        return -0.5 * beta * (x + (a * mean - x) / variance)


class Oscillator:
    """x'' = mu (1 - x^2) x' - x, mu = 2."""

    name = "oscillator"
    times = (0.0, 10.0)

    def __init__(self, library, _, m, d):
        self.start = np.random.default_rng(3).standard_normal((m, d)) * 2
        self.field = library.params(Field, "scf_field_init")
        self.field.function = FieldFunction(self.request)
        self.fields = {"numpy field": self.dense}

    @staticmethod
    def dense(_, x):
        value = np.empty_like(x)
        value[:, 0] = x[:, 1]
        value[:, 1] = 2 * (1 - x[:, 0] * x[:, 0]) * x[:, 1] - x[:, 0]
        return value

    @classmethod
    def request(cls, _, request):
        of = request.contents
        x = np.ctypeslib.as_array(of.x, (of.m, of.ldx))
        np.ctypeslib.as_array(of.value, (of.m, of.ld_value))[:, : of.d] = cls.dense(None, x)
        return 0

    @staticmethod
    def torch_field(_, x):
        return torch.stack((x[:, 1], 2 * (1 - x[:, 0] * x[:, 0]) * x[:, 1] - x[:, 0]), dim=1)


def scipy_batch(field, times, start, tolerance, method="RK45"):
    shape = start.shape
    solution = solve_ivp(
        lambda t, x: field(t, x.reshape(shape)).ravel(), times, start.ravel(), method=method, rtol=tolerance,
        atol=tolerance, t_eval=times[1:],
    )
    return solution.y[:, -1].reshape(shape), solution.nfev


def scipy_alone(field, times, start, tolerance):
    """Each by a call of its own."""
    ends, evaluations = [], 0
    for row in start:
        end, count = scipy_batch(field, times, row[None], tolerance)
        ends.append(end[0])
        evaluations += count
    return np.array(ends), evaluations / len(start)


def torch_batch(field, times, start, tolerance):
    count = 0

    def counted(t, x):
        nonlocal count
        count += 1
        return field(t, x)

    with torch.no_grad():
        ends = torchdiffeq.odeint(
            counted, torch.from_numpy(start), torch.tensor(times, dtype=torch.float64), rtol=tolerance,
            atol=tolerance, method="dopri5",
        )
    return ends[-1].numpy(), count


def errors(ends, exact):
    """Root mean squares over d of each sample's error, in units of 1 + |x|: their median and the largest."""
    exact = exact[: len(ends)]
    off = np.sqrt((((ends - exact) / (1 + np.abs(exact))) ** 2).mean(axis=1))
    return float(np.median(off)), float(off.max())


def compare(library, kind, n, m, d, tolerance, rounds):
    problem = kind(library, n, m, d)
    start, times = problem.start, problem.times
    exact, _ = library.solve(problem.field, times, start, TIGHT)
    few = 5
    dense = problem.fields["numpy field"]
    theirs, _ = scipy_batch(dense, times, start[:few], TIGHT, "DOP853")
    if not errors(theirs, exact)[1] <= 1e-7:
        raise RuntimeError(f"{problem.name}: DOP853 and scorefield differ by {errors(theirs, exact)[1]}")

    alone = min(m, MOST_ALONE)
    sides = {"scorefield": (lambda: library.solve(problem.field, times, start, tolerance), 1.0)}
    for name, field in problem.fields.items():
        sides[f"scipy one by one, {name}"] = (
            lambda field=field: scipy_alone(field, times, start[:alone], tolerance), m / alone,
        )
        sides[f"scipy whole batch, {name}"] = (lambda field=field: scipy_batch(field, times, start, tolerance), 1.0)
    if torchdiffeq is not None:
        if "own field" in problem.fields:
            sides["torchdiffeq, own field"] = (
                lambda: torch_batch(
                    lambda t, x: torch.from_numpy(problem.own(float(t), x.numpy())), times, start, tolerance
                ),
                1.0,
            )
        sides["torchdiffeq, torch field"] = (lambda: torch_batch(problem.torch_field, times, start, tolerance), 1.0)

    seconds = {name: [] for name in sides}
    answers = {}
    for _ in range(rounds):
        for name, (run, scale) in sides.items():
            begin = time.perf_counter()
            answers[name] = run()
            seconds[name].append((time.perf_counter() - begin) * scale)
    for name, (ends, evaluations) in answers.items():
        median, largest = errors(ends, exact)
        # An error at the end is that of all steps, carried along: what it must not be is another result.
        if not median <= 1e3 * tolerance:
            raise RuntimeError(f"{problem.name}, {name}: error {median} at a tolerance of {tolerance}")
        yield {
            "problem": problem.name, "n": n, "m": m, "d": d, "tolerance": tolerance, "side": name,
            "seconds": statistics.median(seconds[name]),
            "ratio": statistics.median(a / b for a, b in zip(seconds[name], seconds["scorefield"])),
            "evaluations": evaluations, "median_error": median, "largest_error": largest,
        }


def main():
    library, out = sys.argv[1:]
    ours = Scorefield(library)
    with_torch = "not installed" if torchdiffeq is None else f"{torchdiffeq.__version__} on PyTorch {torch.__version__}"
    print(f"scipy's solve_ivp, numpy {np.__version__}; torchdiffeq: {with_torch}")
    print("float64, one thread; evaluations a sample; errors against a tight solution, each sample's: median and largest")
    rows = []
    for kind, n, m, d, tolerance in (
        (KdeFlow, 1000, 2000, 2, 1e-5),
        (KdeFlow, 1000, 500, 2, 1e-8),
        (KdeFlow, 1000, 500, 16, 1e-5),
        (KdeFlow, 1000, 200, 64, 1e-5),
        (Oscillator, 0, 200, 2, 1e-5),
        (Oscillator, 0, 200, 2, 1e-8),
    ):
        shape = f"n = {n}, " if n else ""
        print(f"\n{kind.name}, {shape}m = {m}, d = {d}, rtol = atol = {tolerance:g}")
        print(f"{'':32} {'ms':>9} {'ratio':>7} {'evaluations':>11} {'error':>8} {'largest':>8}")
        for row in compare(ours, kind, n, m, d, tolerance, rounds=3):
            rows.append(row)
            print(
                f"{row['side']:32} {row['seconds'] * 1e3:9.1f} {row['ratio']:7.1f} {row['evaluations']:11.1f}"
                f" {row['median_error']:8.1e} {row['largest_error']:8.1e}",
                flush=True,
            )
    with open(out, "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()

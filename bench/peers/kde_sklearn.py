"""Log-density of a Gaussian KDE: scikit-learn beside scorefield, one thread each, alternating.

usage: kde_sklearn.py LIBSCOREFIELD OUT.json

scikit-learn computes the log-density alone, with rtol = 0 (exact) and with rtol = 1e-6. scorefield computes
log-density and score together, in float32 and float64, through its C interface.
"""

import ctypes
import json
import os
import statistics
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from sklearn.neighbors import KernelDensity

from scorefield_library import Library, Workspace, address, suffix_of


class QueryParams(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("top", ctypes.c_int32),
        ("bandwidth", ctypes.c_double),
        ("rest", ctypes.c_uint64 * 8),
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
    """One prepared dataset, evaluated on one thread."""

    def __init__(self, library, data, bandwidth):
        super().__init__(library)
        self.suffix = suffix_of(data)
        self.kde = ctypes.c_void_p()
        n, d = data.shape
        self.call(
            "scf_kde_create_" + self.suffix, self.context, address(data), ctypes.c_int64(n),
            ctypes.c_int64(d), ctypes.c_int64(d), None, None, ctypes.byref(self.kde),
        )
        self.query = self.params(QueryParams, "scf_kde_query_params_init")
        self.query.bandwidth = bandwidth

    def evaluate(self, x):
        m, d = x.shape
        log_density = np.empty(m, x.dtype)
        score = np.empty((m, d), x.dtype)
        outputs = self.params(Outputs, "scf_kde_outputs_init")
        outputs.log_density = log_density.ctypes.data
        outputs.score = score.ctypes.data
        outputs.ld_score = d
        size = ctypes.c_size_t()
        self.call(
            "scf_kde_evaluate_workspace", self.context, self.kde, ctypes.c_int64(m),
            ctypes.byref(self.query), ctypes.byref(outputs), ctypes.byref(size),
        )
        workspace = Workspace(size.value)
        start = time.perf_counter()
        self.call(
            "scf_kde_evaluate_" + self.suffix, self.context, self.kde,
            address(x), ctypes.c_int64(m), ctypes.c_int64(d), ctypes.byref(self.query),
            ctypes.byref(outputs), workspace.pointer, workspace.size, None,
        )
        return time.perf_counter() - start, log_density


def timed_sklearn(tree, x):
    start = time.perf_counter()
    log_density = tree.score_samples(x)
    return time.perf_counter() - start, log_density


def compare(library, d, n, m, bandwidth, rounds=5):
    generator = np.random.default_rng(1)
    y = generator.standard_normal((n, d))
    x = generator.standard_normal((m, d))
    peers = {}
    for rtol in (0.0, 1e-6):
        tree = KernelDensity(bandwidth=bandwidth, rtol=rtol).fit(y)
        peers[f"sklearn rtol={rtol:g}"] = lambda tree=tree: timed_sklearn(tree, x)
    for dtype in (np.float32, np.float64):
        ours = Scorefield(library, np.ascontiguousarray(y, dtype), bandwidth)
        queries = np.ascontiguousarray(x, dtype)
        name = f"scorefield {np.dtype(dtype).name}"
        peers[name] = lambda ours=ours, queries=queries: ours.evaluate(queries)
    seconds = {name: [] for name in peers}
    answers = {}
    for _ in range(rounds):
        for name, run in peers.items():
            elapsed, answers[name] = run()
            seconds[name].append(elapsed)
    exact = answers["scorefield float64"]
    rows = []
    base = statistics.median(seconds["sklearn rtol=0"])
    for name, times in seconds.items():
        median = statistics.median(times)
        rows.append({
            "d": d, "n": n, "m": m, "bandwidth": bandwidth, "who": name, "seconds": median,
            "pairs_per_second": n * m / median, "times_faster_than_sklearn": base / median,
            "max_difference": float(np.max(np.abs(answers[name] - exact))),
        })
    return rows


def main():
    library, out = sys.argv[1:]
    rows = []
    print(f"{'who':22} {'d':>4} {'n':>7} {'m':>6} {'seconds':>9} {'Mpair/s':>9} {'ratio':>7} {'difference':>10}")
    for d, n, m, bandwidth in ((2, 65536, 512, 0.1), (16, 16384, 256, 1.0)):
        for row in compare(library, d, n, m, bandwidth):
            rows.append(row)
            print(
                f"{row['who']:22} {d:4} {n:7} {m:6} {row['seconds']:9.4f} "
                f"{row['pairs_per_second'] / 1e6:9.1f} {row['times_faster_than_sklearn']:7.1f} "
                f"{row['max_difference']:10.1e}"
            )
    with open(out, "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()

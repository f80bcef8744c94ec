"""The KDE of scorefield beside what others use, on the same arrays, alternating in one run.

usage: kde_peers.py LIBSCOREFIELD PEERS.json [--dimensions 2,16] [--threads 1,2] [--rounds 3] [--seconds 0.5]

Every peer is a process of its own (kde_worker.py). Data are normal with the identity as their exact covariance,
and a query is a datum and noise of the bandwidth's size. The number of queries m is chosen for each peer so that
one timing takes about --seconds, and 5 s at most; times are medians over --rounds, in which all peers take turns.
Everyone's answers at the first queries are compared with a sum over differences in double precision. Writes the
rows to PEERS.json and a plot of them beside it, and fails if scorefield's own errors are too large.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np

SHAPES = {2: 65536, 16: 65536, 64: 65536, 784: 32768, 3072: 8192}
# By dimension: a posterior on a few data, on many, and on nearly all.
BANDWIDTHS = {2: (0.01, 0.1, 1), 16: (0.1, 0.5, 2), 64: (0.2, 1, 4), 784: (0.3, 3, 10), 3072: (0.3, 4, 20)}
NATIVE = "-O3 -march=native -ffast-math"
MOST_QUERIES = 1 << 15
ONE_THREAD = ("sklearn", "sklearn-1e-6", "scipy")  # have no threads
# Both outputs, one thread: who, how often faster than whom, at which dimension and bandwidths.
GOALS = (
    ("scorefield", 100, "keops", 2, BANDWIDTHS[2]),
    ("scorefield", 20, "numpy", 2, BANDWIDTHS[2]),
    ("scorefield", 60, "keops", 16, BANDWIDTHS[16]),
    ("scorefield", 6, "numpy", 16, BANDWIDTHS[16]),
    ("scorefield", 1.2, "numpy", 784, BANDWIDTHS[784]),
    ("scorefield", 1.3, "torch", 784, BANDWIDTHS[784]),
    ("scorefield", 1.1, "numpy", 3072, BANDWIDTHS[3072]),
    ("scorefield", 1.1, "torch", 3072, BANDWIDTHS[3072]),
    ("scorefield-adaptive", 4, "numpy", 784, BANDWIDTHS[784][:1]),  # where weights concentrate
)


class Worker:
    def __init__(self, who, python, library, folder, threads):
        self.who = who
        environment = dict(os.environ)
        for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # a forced kernel would slow a peer down
            environment.pop(name, None)
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = str(threads)
        # Compiled formulas stay, but are never shared between compiler flags.
        environment["KEOPS_CACHE_FOLDER"] = os.path.join(os.path.dirname(sys.executable), "..", who)
        environment["CXXFLAGS"] = NATIVE if who == "keops-native" else ""
        here = os.path.dirname(os.path.abspath(__file__))
        self.process = subprocess.Popen(
            [python, os.path.join(here, "kde_worker.py"), who, library, folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )

    def ask(self, **command):
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.who} failed: {self.process.stderr.read()[-2000:]}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def whitened(generator, n, d):
    """Normal data whose sample covariance is the identity: scipy's kernel then is everyone's."""
    y = generator.standard_normal((n, d))
    y -= y.mean(axis=0)
    return y @ np.linalg.inv(np.linalg.cholesky(np.cov(y, rowvar=False).reshape(d, d))).T


def reference(data, queries, h):
    n, d = data.shape
    log_density, score = [], []
    for x in queries:
        offsets = data - x
        exponents = np.einsum("ij,ij->i", offsets, offsets) * (-0.5 / h**2)
        largest = exponents.max()
        weights = np.exp(exponents - largest)
        log_density.append(
            largest + math.log(weights.sum()) - math.log(n) - d / 2 * math.log(2 * math.pi) - d * math.log(h)
        )
        score.append(weights @ offsets / weights.sum() / h**2)
    return np.array(log_density), np.array(score)


def errors(folder, who, exact):
    """Of the log-density: relative to max(1, |log p|); of the score: to its largest component."""
    own = os.path.join(folder, who)
    log_density = np.load(os.path.join(own, "log_density.npy"))
    found = float(np.max(np.abs(log_density - exact[0]) / np.maximum(1, np.abs(exact[0]))))
    if not os.path.exists(os.path.join(own, "score.npy")):
        return found, None
    score = np.load(os.path.join(own, "score.npy"))
    return found, float(np.max(np.abs(score - exact[1])) / np.max(np.abs(exact[1])))


def queries_that_take(worker, seconds, most=MOST_QUERIES):
    """Raises m until a run takes long enough, but not beyond 5 s."""
    m = 1
    while True:
        took = worker.ask(do="run", m=m)["seconds"]
        took = min(took, worker.ask(do="run", m=m)["seconds"])
        if m >= most or took >= seconds / 2 or took * 2 > 2.5:
            return m
        m = min(most, m * max(2, min(64, int(seconds / 4 / max(took, 1e-6)))))


def compare(python, library, d, n, bandwidth, threads, options):
    generator = np.random.default_rng(d)
    data = whitened(generator, n, d)
    chosen = generator.integers(n, size=MOST_QUERIES)
    queries = (data[chosen] + bandwidth * generator.standard_normal((MOST_QUERIES, d))).astype(np.float32)
    data = data.astype(np.float32)
    exact = reference(data.astype(np.float64), queries[: options.checked].astype(np.float64), bandwidth)
    rows = []
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        np.save(os.path.join(folder, "data.npy"), data)
        np.save(os.path.join(folder, "queries.npy"), queries)
        workers, left_out = [], []
        for who, its_python in python.items():
            if threads > 1 and who in ONE_THREAD:
                continue
            worker = Worker(who, its_python, library, folder, threads)
            try:
                prepared = worker.ask(do="prepare", bandwidth=bandwidth)
                worker.ask(do="answer", m=options.checked)
            except RuntimeError as failure:
                left_out.append(f"{who}: {str(failure).strip().splitlines()[-1]}")
                continue
            rows.append({
                "d": d, "n": n, "m": queries_that_take(worker, options.seconds), "bandwidth": bandwidth,
                "threads": threads, "who": who, "outputs": prepared["outputs"],
            })
            rows[-1]["max_log_density_error"], rows[-1]["max_score_error"] = errors(folder, who, exact)
            workers.append(worker)
        times = [[] for _ in rows]
        for _ in range(options.rounds):
            for worker, row, seconds in zip(workers, rows, times):
                seconds.append(worker.ask(do="run", m=row["m"])["seconds"])
        for row, seconds in zip(rows, times):
            row["seconds"] = statistics.median(seconds)
            row["pairs_per_second"] = row["m"] * n / row["seconds"]
        for worker in workers:
            worker.close()
    return rows, left_out


def show(rows):
    own = next(row for row in rows if row["who"] == "scorefield")
    for row in rows:
        score = "-" if row["max_score_error"] is None else f"{row['max_score_error']:.1e}"
        print(
            f"{row['d']:5} {row['n']:6} {row['bandwidth']:6g} {row['threads']:2} {row['who']:20} {row['m']:6} "
            f"{row['seconds']:8.3f} {row['pairs_per_second'] / 1e6:10.2f} "
            f"{own['pairs_per_second'] / row['pairs_per_second']:8.2f} {row['max_log_density_error']:9.1e} {score:>9}",
            flush=True,
        )


def plot(rows, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    dimensions = sorted({row["d"] for row in rows})
    names = list(dict.fromkeys(row["who"] for row in rows))
    figure, axes = plt.subplots(1, len(dimensions), figsize=(3.2 * len(dimensions), 4.2), squeeze=False)
    for axis, d in zip(axes[0], dimensions):
        for who in names:
            chosen = sorted(
                (row["bandwidth"], row["pairs_per_second"])
                for row in rows if row["d"] == d and row["who"] == who and row["threads"] == 1
            )
            if chosen:
                axis.loglog(*zip(*chosen), marker="o", label=who, linewidth=2.5 if "scorefield" in who else 1)
        axis.set_title(f"d = {d}")
        axis.set_xlabel("bandwidth")
    axes[0][0].set_ylabel("pairs per second, one thread")
    axes[0][-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def goals(rows):
    """The ratios that the library aims at; those it misses are said plainly."""
    for own, least, rival, d, bandwidths in GOALS:
        for bandwidth in bandwidths:
            rate = {
                row["who"]: row["pairs_per_second"] for row in rows
                if (row["d"], row["bandwidth"], row["threads"]) == (d, bandwidth, 1)
            }
            fastest = max((rate[who] for who in rate if who.startswith(rival)), default=None)
            if fastest is None or own not in rate:
                continue
            ratio = rate[own] / fastest
            verdict = "reached" if ratio >= least else "MISSED"
            print(f"d = {d}, bandwidth {bandwidth:g}: {own} {ratio:.2f} x {rival}, goal {least}: {verdict}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("out")
    parser.add_argument("--dimensions", default="2,16,64,784,3072")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--checked", type=int, default=8, help="queries that are compared with the reference")
    parser.add_argument("--torch-python", default="", help="a python that has PyTorch")
    parser.add_argument("--scratch", default=None)
    options = parser.parse_args()
    python = {
        who: sys.executable for who in
        ("scorefield", "scorefield-adaptive", "keops", "keops-native", "numpy", "sklearn", "sklearn-1e-6", "scipy")
    }
    if options.torch_python:
        python["torch"] = options.torch_python
    print(
        f"{'d':>5} {'n':>6} {'h':>6} {'t':>2} {'who':20} {'m':>6} {'seconds':>8} {'Mpair/s':>10} "
        f"{'behind':>8} {'log p':>9} {'score':>9}\n"
        "behind: how often scorefield's dense evaluation is faster; errors relative to the largest value"
    )
    rows, notes = [], []
    for d in map(int, options.dimensions.split(",")):
        for bandwidth in BANDWIDTHS[d]:
            for threads in map(int, options.threads.split(",")):
                found, left_out = compare(python, options.library, d, SHAPES[d], bandwidth, threads, options)
                show(found)
                rows += found
                notes += left_out
                with open(options.out, "w", encoding="utf-8") as file:
                    json.dump(rows, file, indent=1)
    plot(rows, os.path.splitext(options.out)[0] + ".png")
    for note in dict.fromkeys(notes):
        print("left out:", note)
    goals(rows)
    bad = [
        row for row in rows if row["who"].startswith("scorefield")
        and not (row["max_log_density_error"] <= 1e-5 and row["max_score_error"] <= 2e-5)
    ]
    for row in bad:
        print("too large an error:", row)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

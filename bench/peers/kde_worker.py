"""One way to evaluate a Gaussian KDE, in a process of its own: with its own thread count and compiler flags.

usage: kde_worker.py WHO LIBSCOREFIELD FOLDER

Reads a line of JSON for each command from standard input and answers with one. The arrays lie in FOLDER:
data.npy [n, d] and queries.npy [m, d], in double precision. Commands:

  {"do": "prepare", "bandwidth": h}   prepares the data: {"seconds": t, "outputs": "both" or "log_density"}
  {"do": "run", "m": m}               evaluates the first m queries: {"seconds": t}
  {"do": "answer", "m": m}            leaves log_density.npy [m] and, if computed, score.npy [m, d] in FOLDER/WHO
  {"do": "memory"}                    {"bytes": peak of this process, "before": peak before the data were read}

All but sklearn and scipy, which know double precision alone, work in float32.
"""

import json
import math
import os
import resource
import sys
import time

import numpy as np

BLOCK_NUMBERS = 1 << 22  # of a block of the matrix of exponents: 16 MiB in float32


def peak_memory():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Peer:
    """`evaluate` returns log-density and score, or None for the latter where a peer has none."""

    outputs = "both"
    dtype = np.float32

    def __init__(self, library):
        del library

    def prepare(self, data, bandwidth):
        self.data, self.bandwidth = data, bandwidth

    def constant(self):
        n, d = self.data.shape
        return -math.log(n) - d / 2 * math.log(2 * math.pi) - d * math.log(self.bandwidth)


class Scorefield(Peer):
    tolerance = 0.0

    def __init__(self, library):
        super().__init__(library)
        from scorefield_library import Library

        self.c = Library(library, threads=int(os.environ["OMP_NUM_THREADS"]))
        self.kde = None

    def prepare(self, data, bandwidth):
        from scorefield_library import Kde

        super().prepare(data, bandwidth)
        self.kde = Kde(self.c, data, index=self.tolerance > 0)

    def evaluate(self, x):
        return self.kde.evaluate(x, self.bandwidth, self.tolerance)


class Adaptive(Scorefield):
    tolerance = 1e-7


class Keops(Peer):
    """Both outputs by one reduction: max, sum of exp(e - max) and of exp(e - max) y."""

    def prepare(self, data, bandwidth):
        from pykeops.numpy import Genred

        super().prepare(data, bandwidth)
        d = data.shape[1]
        self.reduce = Genred(
            "-g * SqDist(x, y)",
            ["g = Pm(1)", f"x = Vi({d})", f"y = Vj({d})"],
            reduction_op="Max_SumShiftExpWeight", axis=1, formula2="Concat(IntCst(1), y)",
        )
        self.rate = np.array([0.5 / bandwidth**2], np.float32)

    def evaluate(self, x):
        sums = self.reduce(self.rate, x, self.data, backend="CPU")
        log_density = sums[:, 0] + np.log(sums[:, 1]) + self.constant()
        return log_density, (sums[:, 2:] / sums[:, 1:2] - x) / self.bandwidth**2


class Numpy(Peer):
    """Matrix products; exponents shifted by their maximum."""

    def prepare(self, data, bandwidth):
        super().prepare(data, bandwidth)
        self.norms = np.einsum("ij,ij->i", data, data)

    def evaluate(self, x):
        rows = max(1, BLOCK_NUMBERS // len(self.data))
        log_density = np.empty(len(x), np.float32)
        score = np.empty_like(x)
        rate = np.float32(0.5 / self.bandwidth**2)
        for first in range(0, len(x), rows):
            part = x[first : first + rows]
            exponents = part @ self.data.T
            exponents *= 2
            exponents -= self.norms
            exponents -= np.einsum("ij,ij->i", part, part)[:, None]
            exponents *= rate
            largest = exponents.max(axis=1, keepdims=True)
            exponents -= largest
            np.exp(exponents, out=exponents)
            sums = exponents.sum(axis=1, keepdims=True)
            log_density[first : first + rows] = (largest + np.log(sums))[:, 0] + self.constant()
            mean = exponents @ self.data / sums
            score[first : first + rows] = (mean - part) / np.float32(self.bandwidth**2)
        return log_density, score


class Torch(Peer):
    """Distances by matrix products, softmax, weighted sum."""

    def prepare(self, data, bandwidth):
        import torch

        super().prepare(data, bandwidth)
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.torch = torch
        self.tensor = torch.from_numpy(data)
        self.norms = (self.tensor**2).sum(1)

    def evaluate(self, x):
        torch = self.torch
        rows = max(1, BLOCK_NUMBERS // len(self.data))
        log_density, score = [], []
        with torch.no_grad():
            for part in torch.from_numpy(x).split(rows):
                squares = (part**2).sum(1, keepdim=True) + self.norms - 2 * part @ self.tensor.T
                exponents = squares * (-0.5 / self.bandwidth**2)
                log_density.append(torch.logsumexp(exponents, 1) + self.constant())
                mean = torch.softmax(exponents, 1) @ self.tensor
                score.append((mean - part) / self.bandwidth**2)
            return torch.cat(log_density).numpy(), torch.cat(score).numpy()


class Sklearn(Peer):
    outputs = "log_density"
    dtype = np.float64
    rtol = 0.0

    def prepare(self, data, bandwidth):
        from sklearn.neighbors import KernelDensity

        super().prepare(data, bandwidth)
        self.tree = KernelDensity(bandwidth=bandwidth, rtol=self.rtol).fit(data)

    def evaluate(self, x):
        return self.tree.score_samples(x), None


class SklearnWithTolerance(Sklearn):
    rtol = 1e-6


class Scipy(Peer):
    """Its kernel has the data's covariance, which is the identity here."""

    outputs = "log_density"
    dtype = np.float64

    def prepare(self, data, bandwidth):
        from scipy.stats import gaussian_kde

        super().prepare(data, bandwidth)
        self.kde = gaussian_kde(data.T, bw_method=bandwidth)

    def evaluate(self, x):
        return self.kde.logpdf(x.T), None


PEERS = {
    "scorefield": Scorefield,
    "scorefield-adaptive": Adaptive,
    "keops": Keops,
    "keops-native": Keops,
    "numpy": Numpy,
    "torch": Torch,
    "sklearn": Sklearn,
    "sklearn-1e-6": SklearnWithTolerance,
    "scipy": Scipy,
}


def main():
    who, library, folder = sys.argv[1:]
    # What a peer prints is not an answer.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    peer = PEERS[who](library)
    before = peak_memory()
    data = np.array(np.load(os.path.join(folder, "data.npy"), mmap_mode="r"), peer.dtype)
    queries = np.load(os.path.join(folder, "queries.npy")).astype(peer.dtype)
    for line in sys.stdin:
        command = json.loads(line)
        start = time.perf_counter()
        if command["do"] == "prepare":
            peer.prepare(data, command["bandwidth"])
            answer = {"outputs": peer.outputs}
        elif command["do"] == "run":
            peer.evaluate(queries[: command["m"]])
            answer = {}
        elif command["do"] == "answer":
            log_density, score = peer.evaluate(queries[: command["m"]])
            own = os.path.join(folder, who)
            os.makedirs(own, exist_ok=True)
            np.save(os.path.join(own, "log_density.npy"), log_density)
            if score is not None:
                np.save(os.path.join(own, "score.npy"), score)
            answer = {}
        else:
            answer = {"bytes": peak_memory(), "before": before}
        answer["seconds"] = time.perf_counter() - start
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()

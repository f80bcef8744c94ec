"""Whole samplers with a KDE as the model: numpy and PyTorch beside scorefield, float32, one thread each, alternating.

usage: sampler_peers.py LIBSCOREFIELD OUT.json

The peers evaluate the KDE with dense matrices, a product for the distances and one for the means, and write each step
as an expression. All three follow the schedule that scorefield gives. First they run from the same start with the same
noise and must end at the same samples; then each draws its own noise, and that is timed. Preparing the data is in
nobody's time. PyTorch is left out where it is not installed.

A peer is as fast as its BLAS: the rate of a matrix product is printed beside its name.
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

from scorefield_library import Library, address, matrix

try:
    import torch
except ImportError:
    torch = None

DDPM, DDIM, PC, EDM = 1, 2, 3, 5
VE, VP = 0, 1
BASE_BANDWIDTH = 0.3
SNR = 0.16
STEPS = 20
SEED = 5


class SdeParams(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("kind", ctypes.c_int32),
        ("sigma_min", ctypes.c_double),
        ("sigma_max", ctypes.c_double),
        ("beta_min", ctypes.c_double),
        ("beta_max", ctypes.c_double),
    ]


class RandomParams(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("seed", ctypes.c_uint64),
        ("offset", ctypes.c_uint64),
        ("first_row", ctypes.c_int64),
        ("device_offset", ctypes.c_void_p),
    ]


class SamplerParams(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("method", ctypes.c_int32),
        ("steps", ctypes.c_int64),
        ("signal_scales", ctypes.c_void_p),
        ("sigmas", ctypes.c_void_p),
        ("times", ctypes.c_void_p),
        ("step_sizes", ctypes.c_void_p),
        ("drifts", ctypes.c_void_p),
        ("diffusions", ctypes.c_void_p),
        ("intervals", ctypes.c_void_p),
        ("predictor", ctypes.c_int32),
        ("corrector_first", ctypes.c_int32),
        ("corrector_steps", ctypes.c_int64),
        ("rule", ctypes.c_int32),
        ("variance", ctypes.c_int32),
        ("snr", ctypes.c_double),
        ("eta", ctypes.c_double),
        ("clip", ctypes.c_double),
        ("temperature", ctypes.c_double),
        ("churn", ctypes.c_double),
        ("churn_min", ctypes.c_double),
        ("churn_max", ctypes.c_double),
        ("churn_noise", ctypes.c_double),
        ("denoise", ctypes.c_int32),
        ("start", ctypes.c_int32),
        ("form", ctypes.c_int32),
        ("capturable", ctypes.c_int32),
        ("model", ctypes.c_void_p),
        ("model_user", ctypes.c_void_p),
        ("kde", ctypes.c_void_p),
        ("base_bandwidth", ctypes.c_double),
        ("labels", ctypes.c_void_p),
        ("guidance", ctypes.c_void_p),
        ("guidance_user", ctypes.c_void_p),
        ("known", ctypes.c_void_p),
        ("ld_known", ctypes.c_int64),
        ("seed", ctypes.c_uint64),
        ("offset", ctypes.c_uint64),
        ("first_row", ctypes.c_int64),
        ("first_step", ctypes.c_int64),
        ("stop_step", ctypes.c_int64),
        ("previous", ctypes.c_void_p),
        ("trajectory", ctypes.c_void_p),
        ("trajectory_every", ctypes.c_int64),
        ("progress", ctypes.c_void_p),
        ("progress_user", ctypes.c_void_p),
        ("progress_every", ctypes.c_int64),
    ]


class Scorefield(Library):
    """The library with one prepared dataset."""

    def __init__(self, path, data):
        super().__init__(path)
        self.kde = ctypes.c_void_p()
        n, d = data.shape
        self.call(
            "scf_kde_create_f32", self.context, address(data), ctypes.c_int64(n), ctypes.c_int64(d),
            ctypes.c_int64(d), None, None, ctypes.byref(self.kde),
        )

    def schedule(self, method, diffusion):
        """Signal scales and sigmas of the levels."""
        sde = self.params(SdeParams, "scf_sde_params_init")
        sde.kind = diffusion
        sde.sigma_min, sde.sigma_max = 0.05, 10.0
        levels = np.empty((2, STEPS + 1))
        self.call(
            "scf_sampler_schedule", ctypes.c_int32(method), ctypes.byref(sde), ctypes.c_int64(STEPS),
            ctypes.c_double(0), address(levels[0]), address(levels[1]), *[None] * 5,
        )
        return levels

    def sample(self, method, levels, start, seed):
        x = start.copy()
        params = self.params(SamplerParams, "scf_sampler_params_init")
        params.method, params.steps, params.snr, params.seed = method, STEPS, SNR, seed
        params.signal_scales, params.sigmas = levels[0].ctypes.data, levels[1].ctypes.data
        params.kde, params.base_bandwidth = self.kde, BASE_BANDWIDTH
        m, d = x.shape
        self.call(
            "scf_sample_f32", self.context, ctypes.byref(params), address(x), ctypes.c_int64(m),
            ctypes.c_int64(d), ctypes.c_int64(d), None, None,
        )
        return x

    def noise(self, method, step, number, m, d):
        """What sample() adds in a step's update: 0 the predictor, 1 the corrector."""
        params = self.params(RandomParams, "scf_random_params_init")
        updates = 2 if method == PC else 1
        params.seed = SEED
        params.offset = 2 * ((d + 3) // 4 * 4) * (1 + step * updates + number)
        z = np.empty((m, d), np.float32)
        self.call(
            "scf_random_normal_f32", self.context, ctypes.byref(params), ctypes.c_int64(m), ctypes.c_int64(d),
            *matrix(z), None,
        )
        return z


class Numpy:
    """A KDE and its normals in numpy."""

    name = "numpy"

    def __init__(self, data):
        self.transposed = np.ascontiguousarray(data.T)
        self.data = data
        self.half_squares = 0.5 * (data * data).sum(axis=1)
        self.generator = np.random.default_rng(1)

    def mean(self, x, a, variance):
        """E[y | x] of N(a y, variance)."""
        exponents = x @ self.transposed
        exponents *= np.float32(a / variance)
        exponents -= np.float32(a * a / variance) * self.half_squares
        exponents -= exponents.max(axis=1, keepdims=True)
        np.exp(exponents, out=exponents)
        return exponents @ self.data / exponents.sum(axis=1, keepdims=True)

    def normal(self, x):
        return self.generator.standard_normal(x.shape, np.float32)

    def given(self, array):
        return array

    def result(self, x):
        return x


class Torch:
    """The same in PyTorch."""

    name = "torch"

    def __init__(self, data):
        torch.set_num_threads(1)
        torch.manual_seed(1)
        self.data = torch.from_numpy(data)
        self.half_squares = 0.5 * (self.data * self.data).sum(dim=1)

    def mean(self, x, a, variance):
        exponents = (x @ self.data.T * a - a * a * self.half_squares) / variance
        return torch.softmax(exponents, dim=1) @ self.data

    def normal(self, x):
        return torch.randn_like(x)

    def given(self, array):
        return torch.from_numpy(array)

    def result(self, x):
        return x.numpy()


def sample(peer, method, levels, start, noise):
    """A run as its paper writes it; noise(step, number, x) gives z."""
    scales, sigmas = levels.tolist()
    x = peer.given(start.copy())

    def denoised(x, a, sigma):
        variance = (a * BASE_BANDWIDTH) ** 2 + sigma**2
        score = (a * peer.mean(x, a, variance) - x) / variance
        return (x + sigma**2 * score) / a, score

    for i in range(STEPS):
        a, sigma, a_next, sigma_next = scales[i], sigmas[i], scales[i + 1], sigmas[i + 1]
        ratio = a / a_next
        variance = sigma**2 - (ratio * sigma_next) ** 2
        x0, score = denoised(x, a, sigma)
        if method == DDIM:
            x = a_next * x0 + sigma_next * ((x - a * x0) / sigma)
        elif method == DDPM:
            kept = (sigma_next / sigma) ** 2
            x = a_next * variance / sigma**2 * x0 + ratio * kept * x
            if sigma_next > 0:
                x = x + (variance * kept) ** 0.5 * noise(i, 0, x)
        elif method == PC:
            x = (2 - ratio) * x + variance * score + variance**0.5 * noise(i, 0, x)
            if sigma_next > 0:
                step = 2 * ratio**2 * (SNR * sigma_next) ** 2
                x = x + step * denoised(x, a_next, sigma_next)[1] + (2 * step) ** 0.5 * noise(i, 1, x)
        else:
            slope = (x - x0) / sigma
            ahead = x + (sigma_next - sigma) * slope
            if sigma_next > 0:
                slope_ahead = (ahead - denoised(ahead, 1, sigma_next)[0]) / sigma_next
                ahead = x + (sigma_next - sigma) * 0.5 * (slope + slope_ahead)
            x = ahead
    return peer.result(x)


def require_agreement(name, theirs, ours):
    """float32 runs of twenty steps: a path near a watershed of the KDE may end elsewhere, a formula that is wrong
    moves them all."""
    apart = np.abs(theirs - ours).max(axis=1) > 1e-2 * np.abs(ours).max()
    moments = [abs(f(theirs.astype(np.float64)) - f(ours.astype(np.float64))) for f in (np.mean, np.std)]
    if not (apart.mean() <= 0.02 and max(moments) <= 1e-2):
        raise RuntimeError(f"{name}: {apart.mean():.3f} of the samples differ")
    return float(apart.mean())


def gflops(product, size=768):
    a = np.random.default_rng(1).standard_normal((size, size), np.float32)
    best = 0.0
    for _ in range(3):
        start = time.perf_counter()
        product(a)
        best = max(best, 2e-9 * size**3 / (time.perf_counter() - start))
    return best


def compare(library, kinds, n, m, d, rounds):
    generator = np.random.default_rng(d)
    centres = np.where(generator.random((n, 1)) < 0.8, 1.0, -1.0)
    data = (centres + 0.5 * generator.standard_normal((n, d))).astype(np.float32)
    ours = Scorefield(library, data)
    peers = [kind(data) for kind in kinds]
    for name, method, diffusion in (("ddim", DDIM, VP), ("ddpm", DDPM, VP), ("pc", PC, VP), ("edm", EDM, VE)):
        levels = ours.schedule(method, diffusion)
        start = (levels[1, 0] * generator.standard_normal((m, d))).astype(np.float32)
        mine = ours.sample(method, levels, start, SEED)
        row = {"sampler": name, "n": n, "m": m, "d": d}
        for peer in peers:
            given = sample(
                peer, method, levels, start,
                lambda step, number, _, peer=peer: peer.given(ours.noise(method, step, number, m, d)),
            )
            row[f"{peer.name}_apart"] = require_agreement(f"{name} of {peer.name}, d = {d}", given, mine)
        seconds = {"scorefield": []} | {peer.name: [] for peer in peers}
        for seed in range(rounds):
            begin = time.perf_counter()
            ours.sample(method, levels, start, seed)
            seconds["scorefield"].append(time.perf_counter() - begin)
            for peer in peers:
                begin = time.perf_counter()
                sample(peer, method, levels, start, lambda _, __, x, peer=peer: peer.normal(x))
                seconds[peer.name].append(time.perf_counter() - begin)
        for side, of_side in seconds.items():
            row[f"{side}_seconds"] = statistics.median(of_side)
        for peer in peers:
            ratios = [theirs / own for theirs, own in zip(seconds[peer.name], seconds["scorefield"])]
            row[f"times_faster_than_{peer.name}"] = statistics.median(ratios)
        yield row


def main():
    library, out = sys.argv[1:]
    kinds = [Numpy]
    slowest = gflops(lambda a: a @ a)
    print(f"numpy {np.__version__}: matrix product {slowest:.0f} GFLOP/s")
    if torch is not None:
        kinds.append(Torch)
        torch.set_num_threads(1)
        rate = gflops(lambda a: torch.from_numpy(a) @ torch.from_numpy(a))
        slowest = min(slowest, rate)
        print(f"PyTorch {torch.__version__}: matrix product {rate:.0f} GFLOP/s")
    print(f"float32, one thread, {STEPS} steps, n data, m samples")
    names = [kind.name for kind in kinds]
    print(f"{'sampler':8} {'n':>5} {'m':>5} {'d':>4} {'ours ms':>9}", *(f"{name + ' ms':>9} {'ratio':>7}" for name in names))
    rows = []
    # Against a plain BLAS fewer samples do.
    fewer, rounds = (1, 5) if slowest > 20 else (8, 3)
    for n, of_all, d in ((4096, 1024, 2), (4096, 512, 64), (2048, 128, 784)):
        m = of_all // fewer
        for row in compare(library, kinds, n, m, d, rounds):
            rows.append(row)
            print(
                f"{row['sampler']:8} {n:5} {m:5} {d:4} {row['scorefield_seconds'] * 1e3:9.2f}",
                *(
                    f"{row[name + '_seconds'] * 1e3:9.2f} {row['times_faster_than_' + name]:7.1f}"
                    for name in names
                ),
                flush=True,
            )
    with open(out, "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()

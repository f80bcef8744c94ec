"""Score-matching losses: PyTorch's eager expressions beside scorefield, float32, one thread each, alternating.

usage: loss_torch.py LIBSCOREFIELD OUT.json

Each side computes the mean loss, every sample's value, and the gradient with respect to every model output; PyTorch
by autograd. "step" also perturbs: PyTorch draws and keeps the noise, scorefield draws it twice and keeps nothing.
The inputs of consecutive rounds lie in different memory.
"""

import ctypes
import json
import os
import statistics
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from scorefield_library import Library, Workspace, address, matrix

SIGMA = 0.5
EPSILON = 0.1
FORM_EPSILON = 1


class LossParams(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("form", ctypes.c_int32),
        ("weighting", ctypes.c_int32),
        ("probe", ctypes.c_int32),
        ("weighting_exponent", ctypes.c_double),
        ("weights", ctypes.c_void_p),
        ("sigma", ctypes.c_double),
        ("signal_scale", ctypes.c_double),
        ("sigmas", ctypes.c_void_p),
        ("signal_scales", ctypes.c_void_p),
        ("epsilon", ctypes.c_double),
        ("projections", ctypes.c_int64),
        ("variance_reduced", ctypes.c_int32),
        ("per_dimension", ctypes.c_int32),
        ("seed", ctypes.c_uint64),
        ("offset", ctypes.c_uint64),
        ("first_row", ctypes.c_int64),
        ("device_offset", ctypes.c_void_p),
        ("noise", ctypes.c_void_p),
        ("ld_noise", ctypes.c_int64),
        ("probes", ctypes.c_void_p),
        ("ld_probes", ctypes.c_int64),
        ("mask", ctypes.c_void_p),
        ("gradient_scale", ctypes.c_double),
        ("status", ctypes.c_void_p),
    ]


class LossOutputs(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("values", ctypes.c_void_p),
        ("mean", ctypes.c_void_p),
        ("standard_error", ctypes.c_void_p),
    ]


class Scorefield(Library):
    """Calls of the losses on [m, d] matrices."""

    def __init__(self, path, m, d):
        super().__init__(path)
        self.shape = ctypes.c_int64(m), ctypes.c_int64(d)
        self.values = np.empty(m, np.float32)
        self.mean = np.empty(1, np.float64)
        self.gradients = [np.empty((m, d), np.float32) for _ in range(2)]
        self.perturbed = np.empty((m, d), np.float32)
        params = self.loss_params()
        size = ctypes.c_size_t()
        self.call("scf_loss_workspace", self.context, ctypes.byref(params), *self.shape, ctypes.byref(size))
        self.workspace = Workspace(size.value)
        self.outputs = self.params(LossOutputs, "scf_loss_outputs_init")
        self.outputs.values = self.values.ctypes.data
        self.outputs.mean = self.mean.ctypes.data

    def loss_params(self, noise=None, probes=None):
        params = self.params(LossParams, "scf_loss_params_init")
        params.sigma = SIGMA
        params.epsilon = EPSILON
        params.variance_reduced = 1
        params.form = FORM_EPSILON
        if noise is not None:
            params.noise, params.ld_noise = noise.ctypes.data, noise.shape[1]
        if probes is not None:
            params.probes, params.ld_probes = probes.ctypes.data, probes.shape[1]
        return params

    def loss(self, name, params, inputs, gradients=1):
        results = self.gradients[:gradients]
        arguments = [argument for rows in inputs for argument in matrix(rows)]
        outputs = [argument for rows in results for argument in matrix(rows)]
        self.call(
            f"scf_{name}_loss_f32", self.context, ctypes.byref(params), *self.shape, *arguments,
            ctypes.byref(self.outputs), *outputs, self.workspace.pointer, self.workspace.size, None,
        )
        return self.mean[0], self.values, results

    def perturb(self, params, x):
        self.call(
            "scf_dsm_perturb_f32", self.context, ctypes.byref(params), *self.shape, *matrix(x),
            *matrix(self.perturbed), *matrix(None), None,
        )


def torch_loss(expression, *outputs):
    """Mean, values and gradients of an expression of model outputs, by autograd."""
    leaves = [output.detach().requires_grad_() for output in outputs]
    values = expression(*leaves)
    mean = values.mean()
    mean.backward()
    return mean, values, [leaf.grad for leaf in leaves]


def cases(ours, given):
    """Name, PyTorch's way and ours, on one set of inputs. What is not a model output is given to both."""
    a, b, z, v = (torch.from_numpy(rows) for rows in given)
    d = a.shape[1]
    step = EPSILON * v / v.norm(dim=1, keepdim=True)

    def half_square(residual):
        return 0.5 * (residual * residual).sum(dim=1)

    def fdssm(plus, minus):
        second = ((plus - minus) * step).sum(dim=1) * (d / (2 * EPSILON**2))
        return ((plus + minus) ** 2).sum(dim=1) / 8 + second

    def torch_step():
        noise = torch.randn_like(a)
        _ = a + SIGMA * noise
        return torch_loss(lambda output: half_square(output - noise), b)

    def our_step():
        params = ours.loss_params()
        ours.perturb(params, given[0])
        return ours.loss("dsm", params, [None, given[1]])

    yield "esm", lambda: torch_loss(lambda s: half_square(s - b), a), lambda: ours.loss(
        "esm", ours.loss_params(), given[:2]
    )
    yield "dsm, noise given", lambda: torch_loss(lambda output: half_square(output - z), a), lambda: ours.loss(
        "dsm", ours.loss_params(noise=given[2]), [None, given[0]]
    )
    yield "ssm-vr, probes given", lambda: torch_loss(
        lambda s, hv: half_square(s) + (v * hv).sum(dim=1), a, b
    ), lambda: ours.loss("ssm", ours.loss_params(probes=given[3]), given[:2], gradients=2)
    yield "fd-ssm scores, v given", lambda: torch_loss(fdssm, a, b), lambda: ours.loss(
        "fdssm_score", ours.loss_params(noise=given[3]), given[:2], gradients=2
    )
    yield "dsm step", torch_step, our_step


def require_agreement(name, theirs, ours):
    """Float32 sums of d terms: 1e-4 of their size is far more than rounding and far less than a wrong formula."""
    pairs = [(theirs[0], ours[0]), (theirs[1], ours[1]), *zip(theirs[2], ours[2])]
    for left, right in pairs:
        left, right = left.detach().numpy(), np.asarray(right)
        if not np.max(np.abs(left - right)) <= 1e-4 * np.max(np.abs(left)):
            raise RuntimeError(f"{name}: the two sides differ")


def compare(library, m, d, rounds=9, copies=3):
    generator = np.random.default_rng(1)
    ours = Scorefield(library, m, d)
    sets = []
    for _ in range(copies):
        given = [generator.standard_normal((m, d), np.float32) for _ in range(4)]
        sets.append(list(cases(ours, given)))
    seconds = {}
    for number in range(rounds + 1):
        for name, run_torch, run_ours in sets[number % copies]:
            start = time.perf_counter()
            theirs = run_torch()
            middle = time.perf_counter()
            mine = run_ours()
            end = time.perf_counter()
            if number == 0:  # both sides warm up, and must agree where they have the same noise
                if name != "dsm step":
                    require_agreement(name, theirs, mine)
                continue
            seconds.setdefault(name, []).append((middle - start, end - middle))
    for name, pairs in seconds.items():
        yield {
            "loss": name, "m": m, "d": d,
            "torch_seconds": statistics.median(pair[0] for pair in pairs),
            "scorefield_seconds": statistics.median(pair[1] for pair in pairs),
            "times_faster_than_torch": statistics.median(pair[0] / pair[1] for pair in pairs),
        }


def main():
    library, out = sys.argv[1:]
    torch.set_num_threads(1)
    rows = []
    print(f"PyTorch {torch.__version__}, float32, one thread")
    print(f"{'loss':24} {'m':>6} {'d':>5} {'torch ms':>9} {'ours ms':>9} {'ratio':>7}")
    for m, d in ((65536, 64), (4096, 784)):
        for row in compare(library, m, d):
            rows.append(row)
            print(
                f"{row['loss']:24} {row['m']:6} {row['d']:5} {row['torch_seconds'] * 1e3:9.2f} "
                f"{row['scorefield_seconds'] * 1e3:9.2f} {row['times_faster_than_torch']:7.1f}"
            )
    with open(out, "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()

"""Losses as a PyTorch user takes them: eager expressions beside scorefield.torch, float32, one thread.

usage: loss_python.py OUT.json, with PYTHONPATH and SCOREFIELD_LIBRARY as capi/python/README.md says

Each side draws its noise, makes the points where the model is evaluated, and computes the mean loss and
the gradients by the model's outputs, which are given: the network's own time is on neither side. The
sides alternate, call by call. That they agree is tested in tests/python.
"""

import json
import statistics
import sys
import time

import torch

import scorefield
import scorefield.torch as st
from scorefield import losses

EPSILON = 0.1


def cases(m, d):
    """Name, PyTorch's way and ours."""
    x, s, h = torch.randn(m, d), torch.randn(m, d, requires_grad=True), torch.randn(m, d)
    h.requires_grad_()
    sigma = torch.rand(m) + 0.1

    def plain_dsm():
        z = torch.randn_like(x)
        points = x + sigma[:, None] * z
        return points, 0.5 * ((s * sigma[:, None] + z) ** 2).sum(1).mean()

    def our_dsm():
        points = losses.dsm_perturb(x, 1, sigma=sigma)
        return points, st.dsm_loss(s, 1, sigma=sigma, weighting=2)

    def plain_ssm():
        v = torch.randint(0, 2, x.shape).float() * 2 - 1
        return v, (0.5 * (s * v).sum(1) ** 2 + (v * h).sum(1)).mean()

    def our_ssm():
        return losses.ssm_probes(x, 1), st.ssm_loss(s, h, 1)

    def plain_fdssm():
        v = torch.randn_like(x)
        v = v * (EPSILON / v.norm(dim=1, keepdim=True))
        second = d / (2 * EPSILON**2) * ((s - h) * v).sum(1)
        return (x + v, x - v), (((s + h) ** 2).sum(1) / 8 + second).mean()

    def our_fdssm():
        points = losses.fdssm_perturb(x, 1, epsilon=EPSILON)
        return points, st.fdssm_loss(s, h, 1, epsilon=EPSILON)

    def whole(function):
        def run():
            _, loss = function()
            loss.backward()
            s.grad = h.grad = None

        return run

    yield "dsm", whole(plain_dsm), whole(our_dsm)
    yield "ssm", whole(plain_ssm), whole(our_ssm)
    yield "fd-ssm", whole(plain_fdssm), whole(our_fdssm)


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    torch.set_num_threads(1)
    scorefield.set_threads(1)
    rows = []
    print(f"PyTorch {torch.__version__}, float32, one thread, through Python on both sides")
    print(f"{'loss':8} {'m':>6} {'d':>4} {'torch us':>9} {'ours us':>9} {'ratio':>6}")
    for m, d in ((512, 2), (8192, 2), (4096, 64), (4096, 784)):
        for name, plain, ours in cases(m, d):
            rounds = max(15, min(400, 20_000_000 // (m * d)))
            pairs = [(timed(plain), timed(ours)) for _ in range(rounds + 3)][3:]
            row = {
                "loss": name,
                "m": m,
                "d": d,
                "torch_seconds": statistics.median(pair[0] for pair in pairs),
                "scorefield_seconds": statistics.median(pair[1] for pair in pairs),
                "times_faster_than_torch": statistics.median(a / b for a, b in pairs),
            }
            rows.append(row)
            print(
                f"{name:8} {m:6} {d:4} {row['torch_seconds'] * 1e6:9.0f} "
                f"{row['scorefield_seconds'] * 1e6:9.0f} {row['times_faster_than_torch']:6.2f}"
            )
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()

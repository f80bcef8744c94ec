"""train_2d.py's losses and measurements in PyTorch alone, and both side by side: lines and seconds.

usage: train_2d_plain.py [--steps N] [--rounds N]

On one thread each, in seconds of its CPU, which other programs' turns do not add to. Both train
the same network from the same start, alternating after every ten steps; the measurements, of one
trained network, alternate too. The flow here takes 60 equal steps of order 4 where scorefield's
solver chooses its own for each sample.
"""

import argparse
import inspect
import math
import statistics
import time

import torch
import train_2d

import scorefield


class PlainKDE:
    def __init__(self, data, bandwidth):
        self.data, self.bandwidth = data, bandwidth

    def exponents(self, x, h):
        return -(torch.cdist(x, self.data, compute_mode="donot_use_mm_for_euclid_dist") ** 2) / (
            2 * h**2
        )

    def log_density(self, x, bandwidth=None):
        h = bandwidth or self.bandwidth
        peak = torch.logsumexp(self.exponents(x, h), dim=1) - math.log(len(self.data))
        return peak - x.shape[1] * (math.log(h) + math.log(2 * math.pi) / 2)

    def score(self, x, bandwidth=None):
        h = bandwidth or self.bandwidth
        return (torch.softmax(self.exponents(x, h), dim=1) @ self.data - x) / h**2

    def draw(self, count, bandwidth=None):
        chosen = self.data[torch.randint(len(self.data), (count,))]
        return chosen + (bandwidth or self.bandwidth) * torch.randn_like(chosen)


def loss_of(kind, network, x, sigma, seed):
    sigma = sigma[:, None]
    noise = torch.randn_like(x)
    noisy = x + sigma * noise
    if kind == "dsm":
        return 0.5 * ((sigma * network(noisy, sigma) + noise) ** 2).sum(dim=1).mean()
    if kind == "ssm":
        v = torch.randint(0, 2, x.shape).to(x) * 2 - 1
        noisy.requires_grad_()
        score = network(noisy, sigma)
        (product,) = torch.autograd.grad((score * v).sum(), noisy, create_graph=True)
        each = 0.5 * (score**2).sum(dim=1) + (v * product).sum(dim=1)
    else:
        v = torch.randn_like(x)
        v = v * (0.02 / v.norm(dim=1, keepdim=True))
        both = network(torch.cat([noisy + v, noisy - v]), torch.cat([sigma, sigma]))
        plus, minus = both.split(len(x))
        each = ((plus + minus) ** 2).sum(dim=1) / 8
        each = each + x.shape[1] / (2 * 0.02**2) * ((plus - minus) * v).sum(dim=1)
    return (sigma[:, 0] ** 2 * each).mean()


def sigma_at(t):
    return 0.1 * 40**t


def velocity(network, x, t, divergence):
    """dx/dt of the probability flow, and its divergence."""
    sigma = torch.full((len(x), 1), sigma_at(t))
    half = -(sigma**2) * math.log(40)
    if not divergence:
        return half * network(x, sigma), torch.zeros(len(x))
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = half * network(x, sigma)
        trace = 0
        for j in range(x.shape[1]):
            (row,) = torch.autograd.grad(value[:, j].sum(), x, retain_graph=True)
            trace = trace + row[:, j]
    return value.detach(), trace


def flow(network, x, start, end, divergence=False, steps=60):
    """RK4, and the divergence's integral."""
    total, dt = torch.zeros(len(x)), (end - start) / steps
    for step in range(steps):
        t = start + step * dt
        k1, d1 = velocity(network, x, t, divergence)
        k2, d2 = velocity(network, x + dt / 2 * k1, t + dt / 2, divergence)
        k3, d3 = velocity(network, x + dt / 2 * k2, t + dt / 2, divergence)
        k4, d4 = velocity(network, x + dt * k3, t + dt, divergence)
        x = x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        total = total + dt / 6 * (d1 + 2 * d2 + 2 * d3 + d4)
    return x, total


def predictor_corrector(network, count, steps=100, snr=0.16):
    sigmas = [4.0 * (0.1 / 4.0) ** (i / (steps - 1)) for i in range(steps)] + [0.0]
    x = sigmas[0] * torch.randn(count, 2)
    for sigma, lower in zip(sigmas, sigmas[1:]):
        b = sigma**2 - lower**2
        x = x + b * network(x, torch.full((count, 1), sigma)) + b**0.5 * torch.randn_like(x)
        if lower > 0:
            e = 2 * (snr * lower) ** 2
            x = (
                x
                + e * network(x, torch.full((count, 1), lower))
                + (2 * e) ** 0.5 * torch.randn_like(x)
            )
    return x


def measure(network, kde):
    fisher = {}
    for sigma in (0.1, 0.5, 2.0):
        x = kde.draw(2000, bandwidth=sigma)
        exact, learnt = kde.score(x, bandwidth=sigma), network(x, torch.full((2000, 1), sigma))
        fisher[sigma] = sigma**2 * 0.5 * ((exact - learnt) ** 2).sum(dim=1).mean().item()
    x = kde.draw(300)
    end, change = flow(network, x, 0.0, 1.0, divergence=True)
    prior = -(end**2).sum(dim=1) / (2 * 16) - 2 * (math.log(4) + math.log(2 * math.pi) / 2)
    walked = predictor_corrector(network, 1000)
    flowed, _ = flow(network, 4 * torch.randn(1000, 2), 1.0, 0.0)
    return {"fisher": fisher, "likelihood": (prior + change).mean().item(),
            "exact": kde.log_density(x).mean().item(), "walked": walked, "flowed": flowed,
            "density_walked": kde.log_density(walked).mean().item(),
            "density_flowed": kde.log_density(flowed).mean().item()}  # fmt: skip


OURS = (train_2d.loss_of, train_2d.measure)
PLAIN = (PlainKDE, loss_of, sigma_at, velocity, flow, predictor_corrector, measure)


def lines(parts):
    """Lines of code, without blank lines, comments and documentation."""
    count, quoted = 0, False
    for line in "".join(inspect.getsource(part) for part in parts).splitlines():
        line = line.strip()
        quotes = line.count('"""')
        if quoted or quotes:
            quoted ^= quotes == 1
        elif line and not line.startswith("#"):
            count += 1
    return count


def timed(function, *arguments):
    start = time.thread_time()
    result = function(*arguments)
    return time.thread_time() - start, result


def compare_training(kind, data, steps, batch=512, block=10):
    """Medians of a training step: ours, plain, and of their ratio over blocks of steps, in which
    each finds its own code still in the caches, as in a training of its own."""
    networks, optimisers, taken = [], [], ([], [])
    for _ in range(2):
        torch.manual_seed(1)
        networks.append(train_2d.ScoreNetwork())
        optimisers.append(torch.optim.Adam(networks[-1].parameters(), lr=3e-3))

    def step(side, loss_of, number, x, sigma):
        loss = loss_of(kind, networks[side], x, sigma, number)
        optimisers[side].zero_grad()
        loss.backward()
        optimisers[side].step()

    for first in range(0, steps, block):
        batches = [(data[torch.randint(len(data), (batch,))], 0.1 * 40 ** torch.rand(batch))
                   for _ in range(block)]  # fmt: skip
        for side in (0, 1) if first // block % 2 else (1, 0):
            loss_of_side = (train_2d.loss_of, loss_of)[side]
            taken[side].append(statistics.median(
                timed(step, side, loss_of_side, first + number, x, sigma)[0]
                for number, (x, sigma) in enumerate(batches)
            ))  # fmt: skip
    ours, plain = taken
    return statistics.median(ours), statistics.median(plain), statistics.median(
        b / a for a, b in zip(ours, plain)
    )  # fmt: skip


def compare(steps=200, rounds=3):
    torch.set_num_threads(1)
    scorefield.set_threads(1)
    torch.manual_seed(0)
    data = train_2d.spiral(2000)
    print(f"lines: {lines(OURS)} with scorefield, {lines(PLAIN)} without")
    ratios, training = {}, {}
    for kind in ("dsm", "ssm", "fdssm"):
        *training[kind], ratios[kind] = compare_training(kind, data, steps)
        ours, plain = training[kind]
        print(f"{kind:6} a training step: {1e3 * ours:.2f} ms, without {1e3 * plain:.2f} ms: "
              f"{ratios[kind]:.2f} times as fast")  # fmt: skip
    network = train_2d.train("dsm", data, steps)
    kdes = scorefield.KDE(data, 0.1), PlainKDE(data, 0.1)
    with torch.no_grad():
        both = [[timed(part, network, kde)[0] for part, kde in zip((train_2d.measure, measure),
        kdes)]
                for _ in range(rounds)]  # fmt: skip
    ours, plain = (statistics.median(side) for side in zip(*both))
    ratios["measure"] = statistics.median(b / a for a, b in both)
    print(f"measuring: {ours:.2f} s, without {plain:.2f} s: {ratios['measure']:.2f} times as fast")
    for kind, (our_step, plain_step) in training.items():
        whole = (1000 * plain_step + plain) / (1000 * our_step + ours)
        print(f"{kind:6} 1000 training steps, sampled and measured: {whole:.2f} times as fast")
    return ratios


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    compare(options.steps, options.rounds)

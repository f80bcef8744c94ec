"""Trains a small score network on 2-D data by three losses, samples it, and measures it against the
exact score of its data.

usage: train_2d.py [--steps N] [--out PICTURE.png] [--loss dsm] [--loss ssm] [--loss fdssm]

The data are a spiral, and the network learns their scores at noise levels between 0.1 and 4.
Smoothed by noise of level sigma the data are a KDE of bandwidth sigma: the KDE's score is the exact
answer. train_2d_plain.py has `loss_of` and `measure` in PyTorch alone, and compares.
"""

import argparse
import time

import torch

import scorefield
import scorefield.torch as st
from scorefield import ode, samplers

SDE = scorefield.SDE("ve", sigma_min=0.1, sigma_max=4.0)


def spiral(count):
    turn = torch.linspace(0.5, 3.0, count)[:, None] * torch.pi
    points = torch.cat([turn.cos(), turn.sin()], dim=1) * turn / 3
    return points + 0.05 * torch.randn(count, 2)


class ScoreNetwork(torch.nn.Module):
    """score(x, sigma) = (f(x, log sigma) - x) / (sigma^2 + 1) + g(x, log sigma) / sigma."""

    def __init__(self, width=96):
        super().__init__()
        layers = [torch.nn.Linear(3, width), torch.nn.SiLU()]
        for _ in range(2):
            layers += [torch.nn.Linear(width, width), torch.nn.SiLU()]
        self.body = torch.nn.Sequential(*layers, torch.nn.Linear(width, 2))

    def forward(self, x, sigma):
        scale = (sigma**2 + 2).sqrt()
        inner = self.body(torch.cat([3 * x / scale, sigma.log()], dim=1))
        return -x / scale**2 + inner / sigma


def loss_of(kind, network, x, sigma, seed):
    """sigma^2 times the loss at noise levels sigma [m], the mean over x."""
    if kind == "dsm":
        return st.dsm(lambda y: network(y, sigma[:, None]), x, seed, sigma=sigma, weighting=2)
    noisy = scorefield.losses.dsm_perturb(x, seed, sigma=sigma)
    weights, at = sigma * sigma, scorefield.Noise(seed, offset=64)
    if kind == "ssm":
        return st.ssm(lambda y: network(y, sigma[:, None]), noisy, at, variance_reduced=True,
                      weighting=weights)  # fmt: skip
    both = torch.cat([sigma, sigma])[:, None]
    return st.fdssm(lambda y: network(y, both), noisy, at, epsilon=0.02, weighting=weights)


def train(kind, data, steps, loss_of=loss_of, batch=512):
    torch.manual_seed(1)
    network = ScoreNetwork()
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=steps)
    for step in range(steps):
        x = data[torch.randint(len(data), (batch,))]
        sigma = 0.1 * 40 ** torch.rand(batch)
        loss = loss_of(kind, network, x, sigma, step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval().requires_grad_(False)


def measure(network, kde):
    """Fisher divergence times sigma^2 at three levels; mean log-likelihoods of the network and
    exact; exact log-densities of samples by predictor-corrector and by the probability flow."""

    def model(x, level):
        return network(x, level.sigma)

    fisher = {}
    for sigma in (0.1, 0.5, 2.0):
        x = kde.draw(2000, 7, bandwidth=sigma)
        exact, learnt = kde.score(x, bandwidth=sigma), network(x, torch.full((2000, 1), sigma))
        fisher[sigma] = sigma**2 * scorefield.divergences.fisher(exact, learnt).value.item()
    flow = st.probability_flow(model, SDE)
    x = kde.draw(300, 8)
    likelihood = ode.log_likelihood(flow, x, rtol=1e-4, atol=1e-4).mean_log_density
    walked = samplers.sample(model, (1000, 2), "pc", sde=SDE, steps=100, noise=9, like=x).x
    noise = 4 * scorefield.random.normal((1000, 2), 10, like=x)
    flowed = ode.decode(flow, noise, rtol=1e-4, atol=1e-4)
    return {"fisher": fisher, "likelihood": likelihood, "exact": kde.log_density(x).mean().item(),
            "walked": walked, "flowed": flowed,
            "density_walked": kde.log_density(walked).mean().item(),
            "density_flowed": kde.log_density(flowed).mean().item()}  # fmt: skip


def picture(results, kde, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    axis = torch.linspace(-4, 4, 24)
    grid = torch.cartesian_prod(axis, axis)
    figure, rows = pyplot.subplots(len(results), 4, figsize=(14, 3.6 * len(results)), squeeze=False)
    sigma = torch.full((len(grid), 1), 0.5)
    for row, (kind, (network, found)) in zip(rows, results.items()):
        for axes, score, title in (
            (row[0], kde.score(grid, bandwidth=0.5), "exact score, noise 0.5"),
            (row[1], network(grid, sigma), f"{kind}: learnt"),
        ):
            axes.quiver(*grid.T, *score.T, scale=80)
            axes.set_title(title)
        for axes, points, title in (
            (row[2], found["walked"], "predictor-corrector"), (row[3], found["flowed"], "flow"),
        ):  # fmt: skip
            axes.plot(*kde.draw(2000, 1).T, ",", color="0.7")
            axes.plot(*points.T, ".", markersize=2)
            axes.set_title(title)
        for axes in row:
            axes.set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal", xticks=[], yticks=[])
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--out", default="train_2d.png")
    parser.add_argument("--loss", action="append", choices=("dsm", "ssm", "fdssm"))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # more only get into each other's way at this size
    torch.manual_seed(0)
    data = spiral(2000)
    kde = scorefield.KDE(data, 0.1)
    results = {}
    for kind in options.loss or ("dsm", "ssm", "fdssm"):
        start, cpu = time.perf_counter(), time.process_time()
        network = train(kind, data, options.steps)
        trained, cpu = time.perf_counter(), time.process_time() - cpu
        found = measure(network, kde)
        results[kind] = network, found
        fisher = ", ".join(f"{value:.3f} at {sigma}" for sigma, value in found["fisher"].items())
        print(
            f"{kind:6} trained in {trained - start:5.1f} s ({cpu:.1f} of CPU), measured in "
            f"{time.perf_counter() - trained:4.1f} s; sigma^2 Fisher divergence {fisher}; mean log "
            f"p: learnt {found['likelihood']:.2f}, exact {found['exact']:.2f}; of samples: "
            f"predictor-corrector {found['density_walked']:.2f}, flow {found['density_flowed']:.2f}"
        )
    if options.out:
        picture(results, kde, options.out)
    return results


if __name__ == "__main__":
    main()

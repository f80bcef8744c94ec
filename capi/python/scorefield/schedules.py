"""Noise levels and diffusions, in double, as NumPy arrays that a caller may edit or replace.

A level is (a, sigma): x = a x0 + sigma z. Formulas and sources: scorefield/schedule.h.
"""

import ctypes
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

import numpy as np

from . import _library


def _filled(name, count, *arguments, dtype=np.float64):
    values = np.empty(max(int(count), 0), dtype)
    _library.call("scf_schedule_" + name, *arguments, values.ctypes.data)
    return values


def geometric(first: float, last: float, n: int) -> np.ndarray:
    """NCSN's levels: [n], from first to last > 0, each the same factor from the next."""
    return _filled("geometric", n, first, last, n)


def karras(sigma_max: float, sigma_min: float, n: int, rho: float = 7.0) -> np.ndarray:
    """EDM's levels: [n + 1], from sigma_max down to sigma_min, then 0."""
    return _filled("karras", n + 1, sigma_max, sigma_min, rho, n)


def beta_linear(first: float = 1e-4, last: float = 0.02, n: int = 1000) -> np.ndarray:
    """DDPM's betas, [n], in equal steps from first to last in (0, 1)."""
    return _filled("beta_linear", n, first, last, n)


def beta_cosine(n: int = 1000, shift: float = 0.008, most: float = 0.999) -> np.ndarray:
    """Nichol and Dhariwal's betas, [n]."""
    return _filled("beta_cosine", n, shift, most, n)


def alpha_bar(betas: Any) -> np.ndarray:
    """Products of 1 - beta up to each, [n]: of the level a = sqrt(alpha_bar)."""
    betas = np.ascontiguousarray(betas, np.float64)
    return _filled("alpha_bar", betas.size, betas.ctypes.data, betas.size)


def strided(n: int, steps: int) -> np.ndarray:
    """`steps` of the times 0 .. n-1, int64, in the order in which a sampler visits them."""
    return _filled("strided", steps, n, steps, dtype=np.int64)


class Coefficients(NamedTuple):
    """Of a diffusion at times t: arrays of t's shape."""

    signal_scale: np.ndarray
    sigma: np.ndarray
    drift: np.ndarray
    diffusion: np.ndarray


@dataclass(frozen=True)
class SDE:
    """dx = f(t) x dt + g(t) dw on t in [0, 1]: kind "ve" (sigma_min, sigma_max), "vp" or "subvp"
    (beta_min, beta_max)."""

    kind: str = "vp"
    sigma_min: float = 0.01
    sigma_max: float = 50.0
    beta_min: float = 0.1
    beta_max: float = 20.0

    def params(self):
        """The struct scf_sde_params."""
        return _library.struct(
            "sde_params", kind=_library.choice("SCF_SDE_", self.kind, "kind"),
            sigma_min=self.sigma_min, sigma_max=self.sigma_max,
            beta_min=self.beta_min, beta_max=self.beta_max,
        )  # fmt: skip

    def at(self, t: Any) -> Coefficients:
        """Signal scale a, noise level sigma, drift f and diffusion g at t in [0, 1]."""
        t = np.asarray(t, np.float64)
        times = np.ascontiguousarray(t).reshape(-1)
        arrays = [np.empty(times.size) for _ in Coefficients._fields]
        written = _library.struct("sde_coefficients")
        for name, array in zip(Coefficients._fields, arrays):
            setattr(written, name, array.ctypes.data)
        _library.call(
            "scf_sde_evaluate",
            ctypes.byref(self.params()),
            times.ctypes.data,
            times.size,
            ctypes.byref(written),
        )
        return Coefficients(*(array.reshape(t.shape) for array in arrays))


def sde_of(sde) -> Optional[SDE]:
    """An SDE, or one of a kind's name with the defaults."""
    return SDE(sde) if isinstance(sde, str) else sde


@dataclass
class Schedule:
    """What a sampler follows: levels 0 (noise) to steps (where it ends). Arrays float64 [steps + 1]
    for levels and [steps] for steps; None where a method has no use for it."""

    sigmas: np.ndarray
    signal_scales: Optional[np.ndarray] = None
    times: Optional[np.ndarray] = None
    step_sizes: Optional[np.ndarray] = None
    drifts: Optional[np.ndarray] = None
    diffusions: Optional[np.ndarray] = None
    intervals: Optional[np.ndarray] = None

    def steps(self) -> int:
        return len(self.sigmas) - 1


def sampler_schedule(method: str, sde: Any, steps: int, step_size: float = 2e-5) -> Schedule:
    """The usual schedule of a method ("smld", "ddpm", "ddim", "pc", "em", "edm", "dpmpp") under a
    diffusion (an SDE or "ve", "vp", "subvp"). step_size: SMLD's, at the last level."""
    number = _library.choice("SCF_SAMPLER_", method, "method")
    sde = sde_of(sde)
    levels = {name: np.empty(max(steps + 1, 0)) for name in ("signal_scales", "sigmas", "times")}
    moving = {name: None for name in ("step_sizes", "drifts", "diffusions", "intervals")}
    if method == "smld":
        moving["step_sizes"] = np.empty(max(steps, 0))
    elif method in ("pc", "em"):
        for name in ("drifts", "diffusions", "intervals"):
            moving[name] = np.empty(max(steps, 0))
    arrays = {**levels, **moving}
    _library.call(
        "scf_sampler_schedule", number, ctypes.byref(sde.params()), steps, step_size,
        *(None if array is None else array.ctypes.data for array in arrays.values()),
    )  # fmt: skip
    return Schedule(**arrays)

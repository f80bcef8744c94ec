"""Which numbers a call with noise draws: a pure function of (seed, offset, row, column)."""

import operator
from dataclasses import dataclass
from typing import Any, Optional, Union

from . import _arrays


@dataclass(frozen=True)
class Noise:
    """Numbers of `seed`, from word `offset` of every row on; row i of a call is row first_row + i.

    So a batch in parts draws the numbers of the whole. device_offset: one uint64 word in device
    memory, as an array, added to offset when the work runs (a replayed CUDA graph draws new
    numbers).
    """

    seed: int = 0
    offset: int = 0
    first_row: int = 0
    device_offset: Optional[Any] = None

    def __post_init__(self):
        for name, end in (("seed", 64), ("offset", 64), ("first_row", 63)):
            value = operator.index(getattr(self, name))
            object.__setattr__(self, name, value)
            if not 0 <= value < 1 << end:
                raise ValueError(f"{name} must be in [0, 2^{end}), got {value}")


# A seed, a Noise, or the caller's own standardised numbers, T[m, d].
NoiseLike = Union[int, Noise, Any]


def split(noise):
    """(Noise, array or None) of what a caller gave."""
    if isinstance(noise, Noise):
        return noise, None
    if noise is None:
        raise TypeError("noise must be a seed, a Noise or an array, got None")
    if _arrays.is_array(noise):
        return Noise(), noise
    return Noise(seed=noise), None


def fields(call, noise):
    """Fields seed, offset, first_row and device_offset of a params struct."""
    word = None
    if noise.device_offset is not None:
        view = call.framework.view(noise.device_offset)
        if view.dtype not in ("uint64", "int64"):
            raise TypeError(f"device_offset must be one uint64 word, got {view.dtype}")
        call.keep(view)
        word = view.address
    return {"seed": noise.seed, "offset": noise.offset, "first_row": noise.first_row,
            "device_offset": word}  # fmt: skip

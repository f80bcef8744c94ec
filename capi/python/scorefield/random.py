"""Numbers that are a pure function of (seed, offset, row, column), on every backend the same.

Philox4x32-10 with cuRAND's mapping; scorefield/random.h says how. `like`: an array whose framework,
device and dtype the numbers are of; default NumPy's float64.
"""

import operator
from typing import Any, Optional

from . import _arrays, _library, _noise
from ._arrays import Call, reference
from ._noise import NoiseLike


def _draw(name, shape, noise, like, *extra, dtype=None):
    call = Call(_arrays.Numpy(), "float64") if like is None else Call.of("like", like)
    with call:
        drawn, own = _noise.split(noise)
        if own is not None:
            raise TypeError("noise must be a seed or a Noise")
        try:
            m, d = (operator.index(length) for length in shape)
        except (TypeError, ValueError):
            raise ValueError(f"shape must be (m, d), got {shape!r}") from None
        if m < 0 or d < 0:
            raise ValueError(f"shape must be (m, d) >= 0, got {shape!r}")
        params = call.new("random_params", **_noise.fields(call, drawn))
        array, pointer = call.output((m, d), dtype)
        arguments = (reference(params), m, d, *extra, pointer, d)
        if dtype is None:
            call.run("random_" + name, *arguments)
        else:
            _library.call("scf_random_" + name, call.context.handle, *arguments, call.stream)
    return call.give(array)


def normal(shape: tuple[int, int], noise: NoiseLike = 0, like: Optional[Any] = None) -> Any:
    """Standard normals, [m, d]."""
    return _draw("normal", shape, noise, like)


def uniform(shape: tuple[int, int], noise: NoiseLike = 0, like: Optional[Any] = None) -> Any:
    """Uniforms in (0, 1], [m, d]."""
    return _draw("uniform", shape, noise, like)


def rademacher(shape: tuple[int, int], noise: NoiseLike = 0, like: Optional[Any] = None) -> Any:
    """Signs, +1 and -1, [m, d]."""
    return _draw("rademacher", shape, noise, like)


def sphere(
    shape: tuple[int, int], noise: NoiseLike = 0, radius: float = 1.0, like: Optional[Any] = None
) -> Any:
    """Rows uniform on the sphere of a radius, [m, d]."""
    return _draw("sphere", shape, noise, like, float(radius))


def bits(shape: tuple[int, int], noise: NoiseLike = 0, like: Optional[Any] = None) -> Any:
    """The generator's 32-bit words, uint32 [m, d] (PyTorch: int32 of the same bits)."""
    return _draw("bits", shape, noise, like, dtype="uint32")


__all__ = ["bits", "normal", "rademacher", "sphere", "uniform"]

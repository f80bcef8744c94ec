"""scorefield: the exact score of data, the losses that match a model to it, and the samplers that
follow it, over arrays of NumPy, PyTorch, CuPy, JAX and whatever else speaks DLPack, without a copy.

    import numpy as np, scorefield
    kde = scorefield.KDE(np.random.randn(1000, 2), bandwidth=0.3)
    kde.score(np.zeros((5, 2)))                                        # [5, 2]
    scorefield.samplers.sample(kde, (5, 2), method="pc", sde="ve", steps=100).x

Modules: losses, divergences, samplers, ode, schedules, random; scorefield.torch (autograd) and
scorefield.sklearn (an estimator) are imported by name. All functions let other threads run.
"""

from . import divergences, losses, ode, random, samplers, schedules
from ._arrays import DeviceMemory, stream
from ._library import (
    VERSION as __version__,
)
from ._library import (
    BackendUnavailable,
    Cancelled,
    Error,
    InvalidArgument,
    OutOfMemory,
    Unsupported,
    cpu_target,
    device_count,
    set_threads,
)
from ._noise import Noise
from .kde import ANY_LABEL, KDE, BandwidthFit
from .schedules import SDE

__all__ = [
    "ANY_LABEL",
    "BackendUnavailable",
    "BandwidthFit",
    "Cancelled",
    "DeviceMemory",
    "Error",
    "InvalidArgument",
    "KDE",
    "Noise",
    "OutOfMemory",
    "SDE",
    "Unsupported",
    "__version__",
    "cpu_target",
    "device_count",
    "divergences",
    "losses",
    "ode",
    "random",
    "samplers",
    "schedules",
    "set_threads",
    "stream",
]

"""The shared library: found, loaded and checked; errors as exceptions; contexts.

A context belongs to one thread at a time, so every thread has its own, one a device.
"""

import atexit
import collections
import ctypes
import operator
import os
import pathlib
import threading

import numpy as np

from . import _abi

_STRUCTS = _abi.struct_types()
_BY_STATUS = {status: name for name, status in _abi.CHOICES["SCF_ERROR_"].items()}


class Error(RuntimeError):
    """What the library refused or failed at; the text is the library's own. status: SCF_ERROR_*."""

    status = 0


class InvalidArgument(Error, ValueError):
    """An argument is outside its stated bounds."""


class OutOfMemory(Error, MemoryError):
    """An allocation failed."""


class Unsupported(Error, NotImplementedError):
    """Well formed, but this build or device cannot do it."""


class BackendUnavailable(Error):
    """Not in this build, or no driver or device."""


class Cancelled(Error):
    """A callback asked to stop."""


_EXCEPTIONS = {
    "invalid_argument": InvalidArgument,
    "out_of_memory": OutOfMemory,
    "unsupported": Unsupported,
    "backend_unavailable": BackendUnavailable,
    "cancelled": Cancelled,
}


def _path():
    given = os.environ.get("SCOREFIELD_LIBRARY")
    if given:
        return given
    folder = pathlib.Path(__file__).parent
    for name in ("libscorefield.so", "libscorefield.dylib"):
        if (folder / name).exists():
            return str(folder / name)
    raise ImportError(
        f"scorefield: {folder} holds no libscorefield.so; install the package with pip, or name a "
        "built library in the environment variable SCOREFIELD_LIBRARY"
    )


def _load():
    path = _path()
    library = ctypes.CDLL(path)
    for name, result, arguments in _abi.signatures():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(
                f"scorefield: {path} has no {name}: it is of another version"
            ) from None
        function.restype = result
        function.argtypes = arguments
    return library


LIBRARY = _load()
VERSION = LIBRARY.scf_version_string().decode()


def error_of(status, message):
    """The exception of a status."""
    error = _EXCEPTIONS.get(_BY_STATUS.get(status), Error)(message)
    error.status = status
    return error


def check(status):
    """Raises what a call that this thread has just made failed at."""
    if status != 0:
        raise error_of(status, LIBRARY.scf_last_error().decode("utf-8", "replace"))


def call(name, *arguments):
    """Calls a function of the library, without the interpreter's lock; a failure is raised."""
    check(getattr(LIBRARY, name)(*arguments))


def _defaults():
    images = {}
    for name, kind in _STRUCTS.items():
        if name not in _abi.REQUESTS:
            value = kind()
            call(name + "_init", ctypes.byref(value), ctypes.sizeof(kind))
            images[name] = bytes(value)
    return images


_DEFAULTS = _defaults()


def struct(name, **fields):
    """A struct scf_<name> with the library's defaults, then the given fields."""
    value = _STRUCTS["scf_" + name].from_buffer_copy(_DEFAULTS["scf_" + name])
    for field, content in fields.items():
        setattr(value, field, content)
    return value


def int32(name, value):
    """A whole number for a field of 32 bits, which ctypes would cut without a word."""
    value = operator.index(value)
    if not -(1 << 31) <= value < 1 << 31:
        raise ValueError(f"{name} must be in [-2^31, 2^31), got {value}")
    return value


def image(name):
    """The type of a struct scf_<name>, and its bytes with the library's defaults."""
    return _STRUCTS["scf_" + name], _DEFAULTS["scf_" + name]


def struct_at(name, address):
    """The struct scf_<name> that the library handed to a callback."""
    return _STRUCTS["scf_" + name].from_address(address)


def choice(prefix, value, argument):
    """The number of a choice by its name, for example "epsilon" of SCF_FORM_."""
    names = _abi.CHOICES[prefix]
    if value not in names:
        known = ", ".join(repr(name) for name in names)
        raise ValueError(f"{argument} must be one of {known}, got {value!r}")
    return names[value]


def flags(prefix, word):
    """Names of the bits that are set in a status word."""
    return tuple(name for name, bit in _abi.CHOICES[prefix].items() if word & bit)


# ---- Contexts -----------------------------------------------------------------------------------

_local = threading.local()
_threads = 0


class Context:
    """Owns an scf_context."""

    def __init__(self, backend, device, threads):
        params = struct("context_params", backend=backend, device=device, threads=threads)
        handle = ctypes.c_void_p()
        call("scf_context_create", ctypes.byref(params), ctypes.byref(handle))
        self.handle = handle.value
        self.backend = backend
        self.loss_workspaces = {}  # bytes by (m, d), which is all that they depend on
        self._workspace = None
        self._dropped = collections.deque()

    def free_later(self, address, stream, driver):
        """From any thread, a finaliser's too: memory is freed by the context's own, before its next
        call.

        driver: the one whose callback allocated it, or None.
        """
        self._dropped.append((address, stream, driver))

    def free_dropped(self):
        while self._dropped:
            address, stream, driver = self._dropped.popleft()
            # A driver's own stream goes with it, when all of its work is done.
            gone = driver is not None and not driver.running
            LIBRARY.scf_free(self.handle, address, None if gone else stream)

    def workspace(self, size):
        """Address of at least `size` bytes of host memory, kept for the next call. CPU contexts."""
        if self._workspace is None or len(self._workspace) < size + 256:
            self._workspace = None  # before the new one, so that both are never held at once
            self._workspace = np.empty(size + 256, np.uint8)
        return (self._workspace.ctypes.data + 255) // 256 * 256

    def destroy(self, destroy=LIBRARY.scf_context_destroy):
        handle, self.handle = getattr(self, "handle", None), None
        destroy(handle)

    __del__ = destroy


def context(backend, device):
    """This thread's context of a device. A driver's callback gets another one than the driver."""
    key = (backend, device, _threads, len(_local.__dict__.get("drivers", ())))
    contexts = _local.__dict__.setdefault("contexts", {})
    if key not in contexts:
        for old in [other for other in contexts if other[2] != _threads]:
            del contexts[old]
        contexts[key] = Context(backend, device, _threads if backend == 0 else 0)
    found = contexts[key]
    found.free_dropped()
    return found


class inside_driver:
    """While a driver runs: its callbacks run on the same thread, with another context."""

    running = True

    def __enter__(self):
        _local.__dict__.setdefault("drivers", []).append(self)

    def __exit__(self, *_):
        self.running = False
        _local.drivers.pop()


def current_driver():
    """The driver whose callback this is, or None."""
    drivers = _local.__dict__.get("drivers")
    return drivers[-1] if drivers else None


@atexit.register
def _destroy_contexts():
    """The main thread's, whoever still refers to them; other threads' go with them."""
    for context in _local.__dict__.pop("contexts", {}).values():
        context.destroy()


def set_threads(count):
    """CPU threads that calls use from now on; 0: all that this process may use (the default).

    Results do not depend on it.
    """
    global _threads
    count = int32("count", count)
    probe = Context(0, 0, count)  # refuses a count that is out of bounds
    del probe
    _threads = count


def cpu_target():
    """The SIMD instruction set in use, for example "AVX2"."""
    return LIBRARY.scf_context_cpu_target(context(0, 0).handle).decode()


def device_count(backend="cuda"):
    """Devices of a backend, "cpu" or "cuda": 0 where the build, driver or device is missing."""
    count = ctypes.c_int32()
    call("scf_device_count", choice("SCF_BACKEND_", backend, "backend"), ctypes.byref(count))
    return count.value

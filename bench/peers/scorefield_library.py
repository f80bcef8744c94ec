"""The library's C interface through ctypes, as far as the peers need it."""

import ctypes

import numpy as np


class ContextParams(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("backend", ctypes.c_int32),
        ("device", ctypes.c_int32),
        ("threads", ctypes.c_int32),
        ("rest", ctypes.c_void_p * 6),
    ]


class Library:
    """The shared library with a context of one CPU thread."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.library.scf_last_error.restype = ctypes.c_char_p
        params = self.params(ContextParams, "scf_context_params_init")
        params.threads = 1
        self.context = ctypes.c_void_p()
        self.call("scf_context_create", ctypes.byref(params), ctypes.byref(self.context))

    def call(self, name, *arguments):
        if getattr(self.library, name)(*arguments) != 0:
            raise RuntimeError(self.library.scf_last_error().decode())

    def params(self, kind, initialise):
        params = kind()
        self.call(initialise, ctypes.byref(params), ctypes.c_uint32(ctypes.sizeof(kind)))
        return params


def suffix_of(array):
    return {"float32": "f32", "float64": "f64"}[str(array.dtype)]


def address(array):
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


def matrix(array):
    """A matrix as the C functions take it: pointer and leading dimension."""
    if array is None:
        return address(None), ctypes.c_int64(0)
    return address(array), ctypes.c_int64(array.strides[0] // array.itemsize)


class Workspace:
    """Memory of `size` bytes, aligned as the C functions want it."""

    def __init__(self, size):
        self.memory = np.empty(size + 256, np.uint8)
        self.size = ctypes.c_size_t(size)
        self.pointer = ctypes.c_void_p((self.memory.ctypes.data + 255) // 256 * 256)

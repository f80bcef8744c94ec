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
    """The shared library with a context on the CPU."""

    def __init__(self, path, threads=1):
        self.library = ctypes.CDLL(path)
        self.library.scf_last_error.restype = ctypes.c_char_p
        params = self.params(ContextParams, "scf_context_params_init")
        params.threads = threads
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


class KdeParams(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("weights", ctypes.c_void_p),
        ("labels", ctypes.c_void_p),
        ("index", ctypes.c_int32),
        ("reserved_index", ctypes.c_int32),
    ]


class QueryParams(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("top", ctypes.c_int32),
        ("bandwidth", ctypes.c_double),
        ("rest", ctypes.c_uint64 * 8),
        ("tolerance", ctypes.c_double),
    ]


class Outputs(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("log_density", ctypes.c_void_p),
        ("score", ctypes.c_void_p),
        ("ld_score", ctypes.c_int64),
        ("rest", ctypes.c_uint64 * 11),
    ]


class Kde:
    """One prepared dataset; log-density and score of queries, the workspace kept between calls."""

    def __init__(self, library, data, index=False):
        self.library, self.suffix = library, suffix_of(data)
        params = library.params(KdeParams, "scf_kde_params_init")
        params.index = int(index)
        self.kde = ctypes.c_void_p()
        n, d = data.shape
        library.call(
            "scf_kde_create_" + self.suffix, library.context, address(data), ctypes.c_int64(n),
            ctypes.c_int64(d), ctypes.c_int64(d), ctypes.byref(params), None, ctypes.byref(self.kde),
        )
        self.workspaces = {}

    def evaluate(self, x, bandwidth, tolerance=0.0):
        m, d = x.shape
        query = self.library.params(QueryParams, "scf_kde_query_params_init")
        query.bandwidth, query.tolerance = bandwidth, tolerance
        log_density, score = np.empty(m, x.dtype), np.empty((m, d), x.dtype)
        outputs = self.library.params(Outputs, "scf_kde_outputs_init")
        outputs.log_density, outputs.score, outputs.ld_score = log_density.ctypes.data, score.ctypes.data, d
        if m not in self.workspaces:
            size = ctypes.c_size_t()
            self.library.call(
                "scf_kde_evaluate_workspace", self.library.context, self.kde, ctypes.c_int64(m),
                ctypes.byref(query), ctypes.byref(outputs), ctypes.byref(size),
            )
            self.workspaces[m] = Workspace(size.value)
        workspace = self.workspaces[m]
        self.library.call(
            "scf_kde_evaluate_" + self.suffix, self.library.context, self.kde,
            address(x), ctypes.c_int64(m), ctypes.c_int64(d), ctypes.byref(query),
            ctypes.byref(outputs), workspace.pointer, workspace.size, None,
        )
        return log_density, score

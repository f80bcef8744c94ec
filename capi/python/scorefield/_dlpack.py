"""DLPack through ctypes: arrays of any framework in, device memory of this library out.

The layout is that of dlpack.h, version 0 ("dltensor" capsules), which every framework speaks.
"""

import ctypes

CPU = 1
CUDA = 2
CUDA_HOST = 3
CUDA_MANAGED = 13

_CODES = {"int": 0, "uint": 1, "float": 2, "bfloat": 4, "complex": 5, "bool": 6}
_NAMES = {code: name for name, code in _CODES.items()}


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class _Managed(ctypes.Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Managed))
_Managed._fields_ = [
    ("tensor", _Tensor),
    ("manager", ctypes.c_void_p),
    ("deleter", _Deleter),
]

_python = ctypes.pythonapi
_capsule_pointer = _python.PyCapsule_GetPointer
_capsule_pointer.restype = ctypes.c_void_p
_capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
_capsule_new = _python.PyCapsule_New
_capsule_new.restype = ctypes.py_object
_capsule_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_capsule_valid = _python.PyCapsule_IsValid
_capsule_valid.restype = ctypes.c_int
_capsule_valid.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
_raw_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", _python)
)


def read(capsule):
    """(address, shape, strides in elements, dtype name, device type, device number) of a capsule.

    It stays unconsumed: whoever drops the capsule frees the array, so keep it while in use.
    """
    managed = ctypes.cast(_capsule_pointer(capsule, b"dltensor"), ctypes.POINTER(_Managed))
    tensor = managed.contents.tensor
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    if tensor.strides:
        strides = tuple(tensor.strides[axis] for axis in range(tensor.ndim))
    else:
        strides = contiguous_strides(shape)
    address = (tensor.data or 0) + tensor.byte_offset
    dtype = f"{_NAMES.get(tensor.code, 'unknown')}{tensor.bits}"
    if tensor.lanes != 1:
        dtype += f"x{tensor.lanes}"
    return address, shape, strides, dtype, tensor.device_type, tensor.device_id


def contiguous_strides(shape):
    """Strides of a row-major array, in elements."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


# What exported capsules need, by address, until their consumer is done with it.
_exported = {}


@_Deleter
def _release(managed):
    _exported.pop(ctypes.addressof(managed.contents), None)


@ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
def _drop_capsule(capsule):
    # A consumer renames the capsule and calls the deleter itself.
    if _capsule_valid(capsule, b"dltensor"):
        _exported.pop(_raw_pointer(capsule, b"dltensor"), None)


def capsule_of(address, shape, dtype, device_type, device_id, owner):
    """A capsule of row-major memory that `owner` keeps alive."""
    kind = dtype.rstrip("0123456789")
    managed = _Managed()
    lengths = (ctypes.c_int64 * max(len(shape), 1))(*shape)
    steps = (ctypes.c_int64 * max(len(shape), 1))(*contiguous_strides(shape))
    managed.tensor = _Tensor(
        address, device_type, device_id, len(shape), _CODES[kind], int(dtype[len(kind) :]), 1,
        lengths, steps, 0,
    )  # fmt: skip
    managed.deleter = _release
    key = ctypes.addressof(managed)
    _exported[key] = (managed, lengths, steps, owner)
    return _capsule_new(key, b"dltensor", ctypes.cast(_drop_capsule, ctypes.c_void_p))

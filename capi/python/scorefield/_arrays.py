"""Arrays of any framework in, without a copy, and results of the same framework out.

NumPy; PyTorch and CuPy by what their arrays offer (nothing is imported that the caller has not);
and whatever speaks DLPack or __cuda_array_interface__. Work goes to the framework's current stream.
Long because a framework is a class here, and all of them answer the same questions.
"""

import contextlib
import ctypes
import sys
import threading
import weakref

import numpy as np

from . import _dlpack, _library

_BYTES = {
    "float32": 4, "float64": 8, "int32": 4, "int64": 8, "uint8": 1, "uint32": 4, "uint64": 8,
    "bool8": 1,
}  # fmt: skip
_TORCH_NAMES = {"uint32": "int32", "uint64": "int64", "bool8": "bool"}
_SUFFIX = {"float32": "_f32", "float64": "_f64"}
_local = threading.local()


@contextlib.contextmanager
def stream(handle):
    """Work on CUDA goes to this stream (a cudaStream_t as an integer), not the framework's current.

    For arrays whose framework has no notion of a current stream. It must outlive the arrays made on
    it.
    """
    before = getattr(_local, "stream", None)
    _local.stream = int(handle)
    try:
        yield
    finally:
        _local.stream = before


def _chosen_stream(default):
    """That of stream(), or else the default; None for CUDA's own default stream."""
    chosen = getattr(_local, "stream", None)
    chosen = default if chosen is None else chosen
    return None if chosen in (None, 0, 1) else chosen


class View:
    """Where an array lies: address, shape, strides in elements. `keep` keeps it alive."""

    __slots__ = ("address", "shape", "strides", "dtype", "keep")

    def __init__(self, address, shape, strides, dtype, keep):
        self.address = address or 0
        self.shape = shape
        self.strides = strides
        self.dtype = dtype
        self.keep = keep

    def rows_are_contiguous(self):
        """Whether the C functions can take it: elements of a row side by side, rows apart."""
        shape, strides = self.shape, self.strides
        if len(shape) == 2 and strides[1] == 1 and strides[0] >= shape[1]:
            return True
        if not shape or 0 in shape:
            return True
        *outer, last = zip(self.shape, self.strides)
        if last[0] > 1 and last[1] != 1:
            return False
        if len(outer) == 0:
            return True
        if len(outer) == 1:
            return outer[0][0] == 1 or outer[0][1] >= last[0]
        return self.strides == _dlpack.contiguous_strides(self.shape)

    def leading_dimension(self):
        return self.shape[1] if self.shape[0] <= 1 else self.strides[0]


# ---- Frameworks ---------------------------------------------------------------------------------


class Numpy:
    """NumPy's arrays, and what turns into one."""

    backend = 0
    device = 0
    name = "numpy"

    def current_stream(self):
        return None

    def convert(self, values, dtype):
        """Anything as an array: lists, numbers. dtype: only where it has none of its own."""
        if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
            raise ValueError("a masked array with masked elements: fill or drop them first")
        array = np.asarray(values)
        if array.dtype.kind in "fiub" and (array.dtype.kind != "f" or not hasattr(values, "dtype")):
            array = array.astype(dtype)
        if not array.dtype.isnative or not array.flags.aligned:
            array = array.astype(array.dtype.newbyteorder("="))
        return array

    def cast(self, values, dtype):
        """Values in a given dtype, which must hold them."""
        array = np.asarray(values)
        with np.errstate(invalid="ignore"):  # of NaN to whole numbers: refused below
            cast = array.astype(dtype, copy=False)
        if not np.can_cast(array.dtype, cast.dtype) and not np.array_equal(cast, array):
            raise ValueError(f"values do not fit into {dtype}")
        return cast

    def truth(self, values):
        """Masks as bytes: 0 for what is False or 0, of any dtype."""
        array = np.asarray(values)
        return array if array.dtype == np.uint8 else (array != 0).view(np.uint8)

    def view(self, array):
        size = array.itemsize
        if any(step % size for step in array.strides):
            return self.view(np.ascontiguousarray(array))
        strides = tuple(step // size for step in array.strides)
        name = "bool8" if array.dtype.name == "bool" else array.dtype.name
        return View(array.ctypes.data, array.shape, strides, name, array)

    def address(self, array):
        """Of an array that this module made."""
        return array.ctypes.data

    def contiguous(self, array):
        return np.ascontiguousarray(array)

    def empty(self, shape, dtype):
        return np.empty(shape, dtype)

    def give(self, array):
        return array[()] if array.ndim == 0 else array

    def borrowed(self, address, shape, strides, dtype):
        """The array at an address, of another's memory; strides in elements."""
        count = 1 + sum((length - 1) * step for length, step in zip(shape, strides))
        if 0 in shape:
            return np.empty(shape, dtype)
        memory = (ctypes.c_char * (count * _BYTES[dtype])).from_address(address)
        strides = [step * _BYTES[dtype] for step in strides]
        return np.ndarray(shape, dtype, memory, strides=strides)

    def copy(self, array):
        return np.array(array, order="C")

    def assign(self, target, values, what):
        """target[...] = values, of the same shape."""
        values = np.asarray(values)
        _require_shape(what, values.shape, target.shape)
        np.copyto(target, values, casting="same_kind")

    def full(self, shape, value, dtype):
        return np.full(shape, value, dtype)

    def column(self, address, count, dtype):
        """Doubles at an address as a column [count, 1] of another dtype: a copy."""
        return self.borrowed(address, (count,), (1,), "float64").astype(dtype)[:, None]

    def on_stream(self, handle):
        return contextlib.nullcontext()


class Torch:
    """PyTorch's tensors on one device."""

    name = "torch"
    _names = {}

    def __init__(self, torch, device):
        self.torch = torch
        self.torch_device = device
        self.backend = 1 if device.type == "cuda" else 0
        self.device = (device.index or 0) if self.backend else 0

    def current_stream(self):
        if not self.backend:
            return None
        return _chosen_stream(self.torch.cuda.current_stream(self.torch_device).cuda_stream)

    def convert(self, values, dtype):
        if isinstance(values, self.torch.Tensor):
            if values.requires_grad and self.torch.is_grad_enabled():
                raise TypeError(
                    "a tensor that requires grad: take scorefield.torch, which computes gradients, "
                    "or detach() it"
                )
            if values.device != self.torch_device:
                raise ValueError(f"arrays of one call must be on one device: {values.device} and "
                                 f"{self.torch_device}")  # fmt: skip
            if values.requires_grad:
                values = values.detach()
            if values.is_neg():  # a view whose memory holds the negative
                values = values.resolve_neg()
            return values if values.is_floating_point() else values.to(self._dtype(dtype))
        return self.torch.as_tensor(values, dtype=self._dtype(dtype), device=self.torch_device)

    def cast(self, values, dtype):
        """As NumPy's; on CUDA, where to look at values would wait for the device, unchecked."""
        values = self.torch.as_tensor(values, device=self.torch_device)
        cast = values.to(self._dtype(dtype))
        if cast.dtype == values.dtype or cast.is_floating_point() or self.backend:
            return cast
        both = (cast.double(), values.double()) if values.is_floating_point() else (
            cast.to(values.dtype), values
        )  # fmt: skip
        if not self.torch.equal(*both):
            raise ValueError(f"values do not fit into {dtype}")
        return cast

    def truth(self, values):
        values = self.torch.as_tensor(values, device=self.torch_device)
        if values.dtype is self.torch.uint8:
            return values
        return (values != 0).to(self.torch.uint8)

    def _dtype(self, dtype):
        # Of unsigned words older releases have none: the bits are the same.
        return getattr(self.torch, _TORCH_NAMES.get(dtype, dtype))

    def view(self, tensor):
        dtype = tensor.dtype
        name = Torch._names.get(dtype)
        if name is None:
            name = str(dtype).split(".")[-1]
            Torch._names[dtype] = name = "bool8" if name == "bool" else name
        return View(tensor.data_ptr(), tensor.shape, tensor.stride(), name, tensor)

    def address(self, tensor):
        return tensor.data_ptr()

    def contiguous(self, tensor):
        return tensor.contiguous()

    def empty(self, shape, dtype):
        return self.torch.empty(shape, dtype=self._dtype(dtype), device=self.torch_device)

    def give(self, tensor):
        return tensor

    def borrowed(self, address, shape, strides, dtype):
        if self.backend:
            memory = DeviceMemory(self, address, shape, strides, dtype, None)
            return self.torch.as_tensor(memory, device=self.torch_device)
        return self.torch.from_numpy(Numpy().borrowed(address, shape, strides, dtype))

    def copy(self, tensor):
        return tensor.detach().clone(memory_format=self.torch.contiguous_format)

    def assign(self, target, values, what):
        values = self.torch.as_tensor(values).detach()
        _require_shape(what, tuple(values.shape), tuple(target.shape))
        target.copy_(values)

    def full(self, shape, value, dtype):
        return self.torch.full(shape, value, dtype=self._dtype(dtype), device=self.torch_device)

    def column(self, address, count, dtype):
        doubles = self.borrowed(address, (count,), (1,), "float64")
        return doubles.to(self._dtype(dtype), copy=True)[:, None]

    def on_stream(self, handle):
        if not self.backend:
            return contextlib.nullcontext()
        external = self.torch.cuda.ExternalStream(handle or 0, device=self.torch_device)
        return self.torch.cuda.stream(external)


class Cupy(Numpy):
    """CuPy's arrays on one device."""

    backend = 1
    name = "cupy"

    def __init__(self, cupy, device):
        self.cupy = cupy
        self.device = device

    def current_stream(self):
        return _chosen_stream(self.cupy.cuda.get_current_stream().ptr)

    def convert(self, values, dtype):
        array = self.cupy.asarray(values)
        return array if array.dtype.kind == "f" else array.astype(dtype)

    def cast(self, values, dtype):
        """As NumPy's, unchecked: to look at values would wait for the device."""
        return self.cupy.asarray(values).astype(dtype, copy=False)

    def truth(self, values):
        array = self.cupy.asarray(values)
        return array if array.dtype == np.uint8 else (array != 0).astype(np.uint8)

    def view(self, array):
        strides = tuple(step // array.itemsize for step in array.strides)
        name = "bool8" if array.dtype.name == "bool" else array.dtype.name
        return View(array.data.ptr, array.shape, strides, name, array)

    def address(self, array):
        return array.data.ptr

    def contiguous(self, array):
        return self.cupy.ascontiguousarray(array)

    def empty(self, shape, dtype):
        return self.cupy.empty(shape, dtype)

    def give(self, array):
        return array

    def borrowed(self, address, shape, strides, dtype):
        return self.cupy.asarray(DeviceMemory(self, address, shape, strides, dtype, None))

    def copy(self, array):
        return self.cupy.array(array, order="C")

    def assign(self, target, values, what):
        values = self.cupy.asarray(values)
        _require_shape(what, values.shape, target.shape)
        target[...] = values

    def full(self, shape, value, dtype):
        return self.cupy.full(shape, value, dtype)

    def on_stream(self, handle):
        return self.cupy.cuda.ExternalStream(handle or 0)


class Exchanged:
    """Any other framework, through DLPack or __cuda_array_interface__.

    Results are memory of this library, handed over by the framework's own from_dlpack where it has
    one; else they are NumPy's arrays, or DeviceMemory, which speaks both protocols.
    """

    def __init__(self, backend, device, from_dlpack, name, default_stream=None):
        self.backend = backend
        self.device = device
        self.name = name
        self._from_dlpack = from_dlpack
        self._default_stream = default_stream

    def current_stream(self):
        return _chosen_stream(self._default_stream) if self.backend else None

    def convert(self, values, dtype):
        if hasattr(values, "__dlpack__") or hasattr(values, "__cuda_array_interface__"):
            return values
        if self.backend:
            raise TypeError(f"expected an array on CUDA device {self.device}, got {type(values)}")
        return Numpy().convert(values, dtype)

    def cast(self, values, dtype):
        if self.backend or (hasattr(values, "__dlpack__") and not isinstance(values, np.ndarray)):
            return self.convert(values, dtype)
        return Numpy().cast(values, dtype)

    def truth(self, values):
        """bool and uint8 of other frameworks, whose bytes are what is wanted; of NumPy any."""
        if self.backend or (hasattr(values, "__dlpack__") and not isinstance(values, np.ndarray)):
            return self.convert(values, "uint8")
        return Numpy().truth(values)

    def view(self, array):
        if isinstance(array, np.ndarray):
            if self.backend:
                raise TypeError(f"expected an array on CUDA device {self.device}, got NumPy's")
            return Numpy().view(array)
        if isinstance(array, DeviceMemory):
            return View(array.address, array.shape, array.strides, array.dtype, array)
        if self.backend and hasattr(array, "__cuda_array_interface__"):
            return _view_of_interface(array)
        capsule = _capsule(array, self.backend, self.current_stream())
        address, shape, strides, dtype, kind, device = _dlpack.read(capsule)
        if (kind in (_dlpack.CUDA, _dlpack.CUDA_MANAGED), device) != (
            bool(self.backend),
            self.device,
        ):
            raise ValueError("arrays of one call must be on one device")
        return View(address, shape, strides, dtype, capsule)

    def address(self, array):
        return array.address if self.backend else array.ctypes.data

    def contiguous(self, array):
        if not self.backend:
            return np.ascontiguousarray(np.from_dlpack(array))
        raise ValueError(f"an array of {self.name} must have its rows contiguous")

    def empty(self, shape, dtype):
        if not self.backend:
            return np.empty(shape, dtype)
        return device_memory(self, shape, dtype)

    def give(self, array):
        return array if self._from_dlpack is None else self._from_dlpack(array)

    def borrowed(self, address, shape, strides, dtype):
        if not self.backend:
            return Numpy().borrowed(address, shape, strides, dtype)
        return DeviceMemory(self, address, shape, strides, dtype, None)

    def copy(self, array):
        view = self.view(array)
        copied = self.empty(view.shape, view.dtype)
        self._copy_rows(self.view(copied), view)
        return copied

    def assign(self, target, values, what):
        source = self.view(values)
        _require_shape(what, source.shape, target.shape)
        target = self.view(target)
        if source.dtype != target.dtype:
            raise TypeError(f"{what} must be {target.dtype}, got {source.dtype}")
        self._copy_rows(target, source)

    def _copy_rows(self, target, source):
        if not source.rows_are_contiguous():
            raise ValueError(f"an array of {self.name} must have its rows contiguous")
        context = _library.context(self.backend, self.device)
        whole = len(target.shape) < 2 or (
            target.leading_dimension() == source.leading_dimension() == target.shape[1]
        )
        rows = 1 if whole else target.shape[0]
        count = int(np.prod(target.shape[(0 if whole else 1) :], dtype=np.int64))
        size = _BYTES[target.dtype]
        for row in range(rows):
            _library.call(
                "scf_copy", context.handle,
                target.address + (0 if whole else row * target.leading_dimension() * size),
                source.address + (0 if whole else row * source.leading_dimension() * size),
                count * size, 2 if self.backend else 0, self.current_stream(),
            )  # fmt: skip

    def full(self, shape, value, dtype):
        values = np.full(shape, value, dtype)
        if not self.backend:
            return self.give(values)
        target = self.empty(shape, dtype)
        context = _library.context(1, self.device)
        _library.call("scf_copy", context.handle, target.address, values.ctypes.data, values.nbytes,
                      0, self.current_stream())  # fmt: skip
        _synchronize(self, self.current_stream())  # before `values` goes
        return self.give(target)

    def column(self, address, count, dtype):
        """In CUDA memory of a framework that this library cannot compute with: float64 whatever
        dtype.
        """
        if not self.backend:
            return self.give(Numpy().column(address, count, dtype))
        borrowed = DeviceMemory(self, address, (count, 1), (1, 1), "float64", None)
        return self.give(self.copy(borrowed))

    def on_stream(self, handle):
        return stream(handle or 0)


class DeviceMemory:
    """A row-major array in CUDA memory; speaks DLPack and __cuda_array_interface__."""

    def __init__(self, framework, address, shape, strides, dtype, owner):
        self.framework = framework
        self.address = address
        self.shape = tuple(shape)
        self.strides = tuple(strides)
        self.dtype = dtype
        self._owner = owner
        self._stream = framework.current_stream()

    @property
    def __cuda_array_interface__(self):
        size = _BYTES[self.dtype]
        kind = {"float": "f", "int": "i", "uint": "u"}[self.dtype.rstrip("0123456789")]
        return {
            "shape": self.shape,
            "strides": tuple(step * size for step in self.strides),
            "typestr": f"<{kind}{size}",
            "data": (self.address if 0 not in self.shape else 0, False),
            "stream": self._stream or 1,
            "version": 3,
        }

    def __dlpack__(self, stream=None, **_):
        if self.strides != _dlpack.contiguous_strides(self.shape):
            raise BufferError("the rows are apart")
        if (stream or 1) != (self._stream or 1):
            _synchronize(self.framework, self._stream)
        device = self.framework.device
        return _dlpack.capsule_of(self.address, self.shape, self.dtype, _dlpack.CUDA, device, self)

    def __dlpack_device__(self):
        return (_dlpack.CUDA, self.framework.device)

    def numpy(self):
        """A copy in host memory."""
        array = np.empty(self.shape, self.dtype)
        context = _library.context(1, self.framework.device)
        if self.strides != _dlpack.contiguous_strides(self.shape):
            raise BufferError("the rows are apart")
        _library.call("scf_copy", context.handle, array.ctypes.data, self.address, array.nbytes, 1,
                      self._stream)  # fmt: skip
        _synchronize(self.framework, self._stream)
        return array


def device_memory(framework, shape, dtype):
    """New memory of the library's own on a CUDA device, freed with its last user."""
    context = _library.context(1, framework.device)
    address = ctypes.c_void_p()
    stream = framework.current_stream()
    count = int(np.prod(shape, dtype=np.int64))
    _library.call("scf_allocate", context.handle, count * _BYTES[dtype], stream,
                  ctypes.byref(address))  # fmt: skip
    strides = _dlpack.contiguous_strides(shape)
    memory = DeviceMemory(framework, address.value or 0, shape, strides, dtype, None)
    if address.value:
        driver = _library.current_driver()
        weakref.finalize(memory, context.free_later, address.value, stream, driver)
    return memory


def _synchronize(framework, stream):
    context = _library.context(framework.backend, framework.device)
    _library.call("scf_stream_synchronize", context.handle, stream)


def _require_shape(what, shape, expected):
    if tuple(shape) != tuple(expected):
        raise ValueError(f"{what} must have shape {tuple(expected)}, got {tuple(shape)}")


def _view_of_interface(array):
    described = array.__cuda_array_interface__
    shape = described["shape"]
    kind, size = described["typestr"][1], int(described["typestr"][2:])
    names = {"f": "float", "i": "int", "u": "uint", "b": "bool"}
    strides = described.get("strides")
    if strides is None:
        strides = _dlpack.contiguous_strides(shape)
    else:
        strides = [step // size for step in strides]
    dtype = f"{names.get(kind, kind)}{8 * size}"
    return View(described["data"][0], shape, strides, dtype, array)


def _capsule(array, backend, stream):
    if not backend:
        return array.__dlpack__()
    return array.__dlpack__(stream=stream or 1)


def _root(array):
    return type(array).__module__.split(".")[0]


def framework_of(array):
    """The framework that an array is of; what is none, a list say, is NumPy's."""
    if isinstance(array, (np.ndarray, np.generic)):
        return Numpy()
    root = _root(array)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        if array.device.type not in ("cpu", "cuda"):
            raise TypeError(f"tensors must be on the CPU or on CUDA, got {array.device}")
        if array.layout is not torch.strided:
            raise TypeError(f"tensors must be dense, got {array.layout}")
        return Torch(torch, array.device)
    if root == "cupy":
        return Cupy(sys.modules["cupy"], int(array.device.id))
    if hasattr(array, "__cuda_array_interface__") and not hasattr(array, "__dlpack__"):
        stream = array.__cuda_array_interface__.get("stream")
        return Exchanged(1, _device_of_pointer(array), None, root, stream)
    if hasattr(array, "__dlpack__") and hasattr(array, "__dlpack_device__"):
        kind, device = array.__dlpack_device__()
        if kind not in (_dlpack.CPU, _dlpack.CUDA_HOST, _dlpack.CUDA, _dlpack.CUDA_MANAGED):
            raise TypeError(f"arrays must be on the CPU or on CUDA, got DLPack device {int(kind)}")
        on_cuda = kind in (_dlpack.CUDA, _dlpack.CUDA_MANAGED)
        default = None
        if on_cuda and hasattr(array, "__cuda_array_interface__"):
            default = array.__cuda_array_interface__.get("stream")
        return Exchanged(int(on_cuda), int(device) if on_cuda else 0, _maker(array), root, default)
    return Numpy()


def _device_of_pointer(array):
    """The interface has no device number; its makers that have one call it device."""
    return int(getattr(getattr(array, "device", None), "id", 0))


def _maker(array):
    """from_dlpack of the array's framework, or None."""
    if isinstance(array, DeviceMemory):
        return None
    if hasattr(array, "__array_namespace__"):
        maker = getattr(array.__array_namespace__(), "from_dlpack", None)
        if maker is not None:
            return maker
    root = _root(array)
    module = sys.modules.get("jax" if root == "jaxlib" else root)
    for name in ("from_dlpack", "dlpack"):
        maker = getattr(module, name, None)
        maker = getattr(maker, "from_dlpack", maker)
        if callable(maker):
            return maker
    return None


# ---- Calls --------------------------------------------------------------------------------------


class Call:
    """The arrays of one call: one framework, one device, one real dtype, one stream."""

    def __init__(self, framework, dtype):
        self.framework = framework
        self.dtype = dtype
        self.context = _library.context(framework.backend, framework.device)
        self.stream = framework.current_stream()
        self._keep = []
        self._freed_on_exit = []
        self._views = {}  # by identity of the caller's array, which is kept with its view

    @classmethod
    def of(cls, what, array):
        """A call on the framework, device and dtype of an array."""
        framework = framework_of(array)
        view = framework.view(framework.convert(array, "float64"))
        if view.dtype not in _SUFFIX:
            raise TypeError(f"{what} must be float32 or float64, got {view.dtype}")
        call = cls(framework, view.dtype)
        if view.rows_are_contiguous():
            call._views[id(array)] = (view, array)
        return call

    @property
    def suffix(self):
        return _SUFFIX[self.dtype]

    def _real(self, what, given, rank):
        view, array = self._views.get(id(given), (None, None))
        if view is None:
            array = self.framework.convert(given, self.dtype)
            view = self.framework.view(array)
        if view.dtype != self.dtype:
            raise TypeError(f"{what} must be {self.dtype}, got {view.dtype}")
        if len(view.shape) != rank:
            form = {1: "[m]", 2: "[m, d]"}[rank]
            raise ValueError(f"{what} must have shape {form}, got {list(view.shape)}")
        if not view.rows_are_contiguous():
            view = self.framework.view(self.framework.contiguous(array))
        self._views[id(given)] = (view, given)
        return view

    def matrix(self, what, array, rows=None, columns=None):
        """(address, leading dimension) of a matrix; (None, 0) of None."""
        if array is None:
            return None, 0
        view = self._real(what, array, 2)
        shape = view.shape
        if (rows is not None and shape[0] != rows) or (columns is not None and shape[1] != columns):
            expected = (
                shape[0] if rows is None else rows,
                shape[1] if columns is None else columns,
            )
            _require_shape(what, shape, expected)
        return view.address or None, view.leading_dimension()

    def shape_of(self, what, array):
        """(rows, columns) of a matrix."""
        return tuple(self._real(what, array, 2).shape)

    def vector(self, what, array, length):
        """Address of a vector of reals; None of None."""
        if array is None:
            return None
        view = self._real(what, array, 1)
        _require_shape(what, view.shape, (length,))
        return view.address or None

    def integers(self, what, array, length, dtype):
        """Address of a vector of a given dtype, converted where it must be; None of None."""
        if array is None:
            return None
        converted = self.framework.cast(array, dtype)
        return self._converted(what, converted, length, (dtype,))

    def mask(self, what, array, length):
        """Address of a vector of bytes, 0 for what is False or 0; None of None."""
        if array is None:
            return None
        converted = self.framework.truth(array)
        return self._converted(what, converted, length, ("uint8", "bool8"))

    def _converted(self, what, converted, length, dtypes):
        view = self.framework.view(converted)
        if view.dtype not in dtypes:
            raise TypeError(f"{what} must be {' or '.join(dtypes)}, got {view.dtype}")
        _require_shape(what, view.shape, (length,))
        if not view.rows_are_contiguous():
            view = self.framework.view(self.framework.contiguous(converted))
        self._keep.append(view)
        return view.address or None

    def block(self, what, array, shape):
        """Address of a row-major array of reals of any rank."""
        array = self.framework.convert(array, self.dtype)
        view = self.framework.view(array)
        if view.dtype != self.dtype:
            raise TypeError(f"{what} must be {self.dtype}, got {view.dtype}")
        _require_shape(what, view.shape, shape)
        if not view.rows_are_contiguous():
            view = self.framework.view(self.framework.contiguous(array))
        self._keep.append(view)
        return view.address or None

    def doubles(self, what, array, length):
        """Address of a vector of float64, whatever the real dtype; converted where it must be."""
        return self.integers(what, array, length, "float64")

    def view(self, array):
        """Address of an array that this call made or copied."""
        self._keep.append(array)
        return self.framework.address(array) or None

    def output(self, shape, dtype=None):
        """(array, address) of a new result; give() makes it the caller's."""
        array = self.framework.empty(shape, dtype or self.dtype)
        return array, self.view(array)

    def give(self, array):
        return None if array is None else self.framework.give(array)

    def keep(self, *things):
        self._keep.extend(things)

    def new(self, struct, **fields):
        """A struct with defaults; it lives as long as the call. For arguments by reference."""
        value = _library.struct(struct, **fields)
        self._keep.append(value)
        return value

    def workspace(self, size):
        """Address of device memory that lives until the call's work is done."""
        size = int(size)
        if size == 0:
            return None
        if not self.framework.backend:
            return self.context.workspace(size)
        address = ctypes.c_void_p()
        _library.call("scf_allocate", self.context.handle, size, self.stream, ctypes.byref(address))
        # Freed in the order of the stream, once the work has been enqueued.
        self._freed_on_exit.append(address.value)
        return address.value

    def sized_workspace(self, name, *arguments):
        """(address, bytes) of what scf_<name>_workspace asks for."""
        size = ctypes.c_size_t()
        _library.call(f"scf_{name}_workspace", self.context.handle, *arguments, ctypes.byref(size))
        return self.workspace(size.value), size.value

    def run(self, name, *arguments):
        """scf_<name>_f32 or _f64 with this context first and this stream last."""
        _library.call(f"scf_{name}{self.suffix}", self.context.handle, *arguments, self.stream)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for address in self._freed_on_exit:
            _library.LIBRARY.scf_free(self.context.handle, address, self.stream)
        self._freed_on_exit.clear()


def reference(value):
    """A struct by reference, or NULL."""
    return None if value is None else ctypes.byref(value)


def address_of(value):
    """The address of a struct, for a field that points to it."""
    return None if value is None else ctypes.addressof(value)


def is_array(value):
    """Whether a value is one a sample: an array or a list, not a number."""
    if isinstance(value, (int, float, np.generic)):
        return False
    return not hasattr(value, "shape") or len(value.shape) > 0

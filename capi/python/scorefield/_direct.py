"""The losses' calls on PyTorch's tensors as they come in a training step: on the CPU, contiguous,
of one dtype, with numbers and vectors [m] as options.

On a small batch a call takes the library 10 microseconds, and the general way (_arrays.Call), which
answers every framework's questions, several times that in Python. What is not plain, or wrong, is
left to it: these functions then return None, before they have done anything. The same C calls, so
the same bits.
"""

import ctypes
import sys

from . import _abi, _library
from ._noise import Noise

_PARAMS, _PARAMS_IMAGE = _library.image("loss_params")
_OUTPUTS, _OUTPUTS_IMAGE = _library.image("loss_outputs")
_BY_POWER, _BY_ARRAY = (_abi.CHOICES["SCF_WEIGHTING_"][name] for name in ("sigma", "array"))
_NAMED = {"form": _abi.CHOICES["SCF_FORM_"], "probe": _abi.CHOICES["SCF_PROBE_"]}
_NUMBERS = ("sigma", "signal_scale", "epsilon", "gradient_scale")
_FLAGS = ("variance_reduced", "per_dimension")
_KNOWN = {"noise", "weighting", "mask", "probes", "projections", *_NUMBERS, *_FLAGS, *_NAMED}
_SUFFIX = {"torch.float32": "_f32", "torch.float64": "_f64"}
_functions = {}


class _NotPlain(Exception):
    """What is left to the general way."""


def _torch_of(array):
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(array, torch.Tensor) else None


def _function(name, dtype):
    """The C function of a loss or a perturbation."""
    found = _functions.get((name, dtype))
    if found is None:
        suffix = _SUFFIX.get(str(dtype))
        if suffix is None:
            raise _NotPlain
        found = _functions[name, dtype] = getattr(_library.LIBRARY, f"scf_{name}{suffix}")
    return found


class _Tensors:
    """The tensors of one call, of a dtype."""

    __slots__ = ("torch", "dtype", "no_grad")

    def __init__(self, torch, dtype):
        self.torch, self.dtype, self.no_grad = torch, dtype, not torch.is_grad_enabled()

    def address(self, tensor, shape, dtype=None):
        if (
            isinstance(tensor, self.torch.Tensor)
            and tensor.is_cpu
            and tensor.dtype is (dtype or self.dtype)
            and tensor.shape == shape
            and tensor.layout is self.torch.strided
            and tensor.is_contiguous()
            and not tensor.is_neg()
            and (self.no_grad or not tensor.requires_grad)
        ):
            return tensor.data_ptr()
        raise _NotPlain

    def params(self, m, options):
        """The struct scf_loss_params; what it does not know is not plain."""
        params = _PARAMS.from_buffer_copy(_PARAMS_IMAGE)
        for name, value in options.items():
            kind = type(value)
            if value is None or value is False:
                if name not in _KNOWN or name == "noise":
                    raise _NotPlain
                continue
            if name == "noise":
                if kind is int and 0 <= value < 1 << 64:
                    params.seed = value
                elif kind is Noise and value.device_offset is None:
                    params.seed, params.offset = value.seed, value.offset
                    params.first_row = value.first_row
                else:
                    raise _NotPlain
            elif kind is float:
                if name == "weighting":
                    params.weighting, params.weighting_exponent = _BY_POWER, value
                elif name in _NUMBERS:
                    setattr(params, name, value)
                else:
                    raise _NotPlain
            elif name == "sigma" or name == "signal_scale":
                setattr(params, name + "s", self.address(value, (m,)))
            elif name == "weighting":
                if kind is int:
                    params.weighting, params.weighting_exponent = _BY_POWER, value
                else:
                    params.weighting, params.weights = _BY_ARRAY, self.address(value, (m,))
            elif name in _NAMED and value in _NAMED[name]:
                setattr(params, name, _NAMED[name][value])
            elif name == "mask":
                params.mask = self.address(value, (m,), self.torch.bool)
            elif value is True and name in _FLAGS:
                setattr(params, name, 1)
            elif name != "projections" or kind is not int or value != 1:
                raise _NotPlain
        return params


def as_tensors(numbers):
    """float64 scalars of PyTorch, or None."""
    torch = sys.modules["torch"]
    return [
        None if number is None else torch.scalar_tensor(number, dtype=torch.float64)
        for number in numbers
    ]


def _fail():
    raise _NotPlain


def perturb(name, x, count, options):
    """`count` new tensors like x [m, d], one after the other in memory; or None. Of the probes of
    SSM x says the shape alone."""
    torch = _torch_of(x)
    if torch is None:
        return None
    try:
        m, d = shape = x.shape if x.dim() == 2 and 0 not in x.shape else _fail()
        tensors = _Tensors(torch, x.dtype)
        function = _function(name, x.dtype)
        address = tensors.address(x, shape)
        params = tensors.params(m, options)
    except _NotPlain:
        return None
    made = (torch.empty_like(x),) if count == 1 else x.new_empty((count * m, d)).split(m)
    places = [value for tensor in made for value in (tensor.data_ptr(), d)]
    if name == "ssm_perturb":
        arguments = places
    elif name == "dsm_perturb" and count == 1:
        arguments = [address, d, *places, None, d]
    else:
        arguments = [address, d, *places]
    handle = _library.context(0, 0).handle
    _library.check(function(handle, ctypes.byref(params), m, d, *arguments, None))
    return made


def loss(name, inputs, wanted, dimension, parts, gradients, options):
    """(mean and standard error, numbers or None; values or None; gradients) of a loss; or None.

    inputs: (label, tensor, rank), of which those in `wanted`, or all, are differentiated.
    """
    like = next(tensor for _, tensor, _ in inputs if tensor is not None)
    torch = _torch_of(like)
    if torch is None:
        return None
    try:
        tensors = _Tensors(torch, like.dtype)
        function = _function(name, like.dtype)
        shape = next((t.shape for _, t, rank in inputs if rank == 2 and t is not None), None)
        if shape is None:
            shape = (len(like), dimension) if like.dim() == 1 and type(dimension) is int else ()
        m, d = shape if len(shape) == 2 and 0 not in shape else _fail()
        params = tensors.params(m, options)
        arguments, made, places = [], [], []
        for label, tensor, rank in inputs:
            if tensor is None:
                arguments += (None, 0)
                continue
            address = tensors.address(tensor, (m, d) if rank == 2 else (m,))
            arguments += (address, d) if rank == 2 else (address,)
            if wanted is not None and label not in wanted:
                continue
            gradient = torch.empty_like(tensor) if gradients else None
            place = gradient.data_ptr() if gradients else None
            made.append(gradient)
            places += (place, d) if rank == 2 else (place,)
    except _NotPlain:
        return None
    context = _library.context(0, 0)
    outputs = _OUTPUTS.from_buffer_copy(_OUTPUTS_IMAGE)
    mean = error = values = None
    if "mean" in parts:
        mean = ctypes.c_double()
        outputs.mean = ctypes.addressof(mean)
    if "standard_error" in parts:
        error = ctypes.c_double()
        outputs.standard_error = ctypes.addressof(error)
    if "values" in parts:
        values = like.new_empty((m,))
        outputs.values = values.data_ptr()
    size = context.loss_workspaces.get((m, d))
    if size is None:
        needed = ctypes.c_size_t()
        status = _library.LIBRARY.scf_loss_workspace(
            context.handle, ctypes.byref(params), m, d, ctypes.byref(needed)
        )
        _library.check(status)
        size = needed.value
        if len(context.loss_workspaces) < 1024:
            context.loss_workspaces[m, d] = size
    _library.check(
        function(context.handle, ctypes.byref(params), m, d, *arguments, ctypes.byref(outputs),
                 *places, context.workspace(size), size, None)
    )  # fmt: skip
    numbers = (None if number is None else number.value for number in (mean, error))
    return (*numbers, values, tuple(made) if gradients else ())

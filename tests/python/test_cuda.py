"""CUDA arrays of frameworks, in and out without a copy and on their streams: on a GPU, or on the
emulated runtime (tests/ptxvm), with producers that speak the protocols as frameworks do."""

import ctypes
import gc
import os
import sys
import types

import numpy as np
import pytest
import reference

import scorefield
from scorefield import _arrays, _dlpack, _library, losses, ode, samplers

if scorefield.device_count("cuda") == 0:
    if os.environ.get("SCF_REQUIRE_CUDA") == "1":
        raise RuntimeError("SCF_REQUIRE_CUDA=1, but there is no CUDA device")
    pytest.skip("no CUDA device, and no emulated one", allow_module_level=True)

RANDOM = np.random.default_rng(13)
DATA = RANDOM.standard_normal((20, 2)).astype(np.float32)
X = RANDOM.standard_normal((5, 2)).astype(np.float32)


def on_device(array):
    """DeviceMemory with a copy of a NumPy array."""
    framework = _arrays.Exchanged(1, 0, None, "test")
    array = np.ascontiguousarray(array)
    memory = _arrays.device_memory(framework, array.shape, str(array.dtype))
    context = _library.context(1, 0)
    _library.call(
        "scf_copy", context.handle, memory.address, array.ctypes.data, array.nbytes, 0, None
    )
    _library.call("scf_stream_synchronize", context.handle, None)
    return memory


class Interface:
    """Speaks __cuda_array_interface__ alone, as numba's arrays do."""

    def __init__(self, memory, stream=None):
        self.memory = memory
        self.stream = stream

    @property
    def __cuda_array_interface__(self):
        return {**self.memory.__cuda_array_interface__, "stream": self.stream}


class Tensor:
    """Speaks DLPack alone; its module has from_dlpack, as frameworks' have. Notes the streams."""

    __module__ = "frame_of_tests"
    streams = []

    def __init__(self, memory):
        self.memory = memory

    def __dlpack__(self, stream=None):
        Tensor.streams.append(stream)
        return self.memory.__dlpack__(stream=stream)

    def __dlpack_device__(self):
        return (_dlpack.CUDA, 0)


def from_dlpack(producer):
    assert producer.__dlpack_device__() == (_dlpack.CUDA, 0)
    return Tensor(producer)


@pytest.fixture(autouse=True)
def module(monkeypatch):
    module = types.ModuleType("frame_of_tests")
    module.from_dlpack = from_dlpack
    monkeypatch.setitem(sys.modules, "frame_of_tests", module)
    Tensor.streams = []


@pytest.fixture
def stream():
    context = _library.context(1, 0)
    handle = ctypes.c_void_p()
    _library.call("scf_stream_create", context.handle, ctypes.byref(handle))
    yield handle.value
    # The stream outlives what was made on it: results go, and are freed by the context's next call.
    gc.collect()
    context = _library.context(1, 0)
    _library.call("scf_stream_synchronize", context.handle, handle.value)
    _library.call("scf_stream_destroy", context.handle, handle.value)


@pytest.fixture
def streams_of_calls(monkeypatch):
    """The streams that the library was called with."""
    seen = []
    original = _arrays.Call.run

    def run(self, name, *arguments):
        seen.append(self.stream)
        return original(self, name, *arguments)

    monkeypatch.setattr(_arrays.Call, "run", run)
    return seen


def test_interface_in_and_device_memory_out(monkeypatch):
    seen = []
    original = _arrays.Call.matrix

    def matrix(self, what, array, rows=None, columns=None):
        seen.append(original(self, what, array, rows, columns))
        return seen[-1]

    monkeypatch.setattr(_arrays.Call, "matrix", matrix)
    data, x = on_device(DATA), on_device(X)
    kde = scorefield.KDE(Interface(data), 0.5)
    score = kde.score(Interface(x))
    assert seen[0] == (data.address, 2) and seen[1] == (x.address, 2)
    assert isinstance(score, scorefield.DeviceMemory)
    reference.close(score.numpy(), reference.kde(DATA, X, 0.5)[1], "float32")
    # What came out goes in.
    again = kde.log_density(score)
    expected = reference.kde(DATA, score.numpy(), 0.5)[0]
    reference.close(again.numpy(), expected, "float32")


def test_dlpack_in_and_out_on_streams(stream, streams_of_calls):
    kde = scorefield.KDE(Tensor(on_device(DATA)), 0.5)
    result = kde.score(Tensor(on_device(X)))
    assert isinstance(result, Tensor)
    assert set(Tensor.streams) == {1} and set(streams_of_calls) == {None}
    Tensor.streams.clear()
    streams_of_calls.clear()
    with scorefield.stream(stream):
        result = kde.score(Tensor(on_device(X)))
    assert set(Tensor.streams) == {stream} and streams_of_calls == [stream]
    _library.call("scf_stream_synchronize", _library.context(1, 0).handle, stream)
    reference.close(result.memory.numpy(), reference.kde(DATA, X, 0.5)[1], "float32")


def test_the_interfaces_own_stream(stream, streams_of_calls):
    kde = scorefield.KDE(on_device(DATA), 0.5)
    score = kde.score(Interface(on_device(X), stream))
    assert streams_of_calls[-1] == stream and score.__cuda_array_interface__["stream"] == stream
    reference.close(score.numpy(), reference.kde(DATA, X, 0.5)[1], "float32")


def test_losses_on_the_device():
    output, data_score = X, RANDOM.standard_normal((5, 2)).astype(np.float32)
    found = losses.esm(on_device(output), on_device(data_score))
    expected = losses.esm(output, data_score)
    reference.close(found.values.numpy(), expected.values, "float32")
    reference.close(found.mean.numpy(), expected.mean, "float32")
    reference.close(found.gradients[0].numpy(), expected.gradients[0], "float32")


def test_a_drivers_model_on_the_device():
    """A model asks a KDE, on the driver's own thread, for scores of the driver's states."""
    kde = scorefield.KDE(on_device(DATA), 0.5)
    of_host = scorefield.KDE(DATA, 0.5)
    told = []
    found = samplers.sample(
        lambda x, level: kde.score(x), on_device(X), "ddim", sde="ve", steps=2,
        progress=lambda *n: told.append(n),
    )  # fmt: skip
    expected = samplers.sample(lambda x, level: of_host.score(x), X, "ddim", sde="ve", steps=2)
    assert isinstance(found.x, scorefield.DeviceMemory) and told == [(1, 2), (2, 2)]
    largest = np.abs(expected.x).max()
    assert np.all(np.abs(found.x.numpy() - expected.x) <= 1e-4 * largest)
    with pytest.raises(ZeroDivisionError):
        samplers.sample(lambda x, level: 1 / 0, on_device(X), "ddim", sde="ve", steps=2)


def test_a_field_on_the_device():
    flow = ode.ProbabilityFlow(scorefield.KDE(on_device(DATA), 0.5), "vp")
    of_host = ode.ProbabilityFlow(scorefield.KDE(DATA, 0.5), "vp")
    found = ode.solve(flow, on_device(X), solver="euler", steps=2)
    expected = ode.solve(of_host, X, solver="euler", steps=2)
    assert np.allclose(found.x.numpy(), expected.x, rtol=1e-4, atol=1e-4)


def test_one_device_a_call():
    kde = scorefield.KDE(on_device(DATA), 0.5)
    with pytest.raises(ValueError, match="x must be on the data's device"):
        kde.score(X)
    with pytest.raises(TypeError, match="expected an array on CUDA device 0"):
        losses.esm(on_device(X), X)


def test_memory_is_freed_by_its_own_thread():
    """A result that goes in another thread is freed by the context's, at its next call."""
    import threading

    context = _library.context(1, 0)
    held = [on_device(X)]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert len(context._dropped) == 1
    _library.context(1, 0)
    assert len(context._dropped) == 0

"""Arrays in without a copy, results of what came in."""

import gc
import weakref

import numpy as np
import pytest
import reference

import scorefield
from scorefield import _arrays, _dlpack, losses

torch = pytest.importorskip("torch")
RANDOM = np.random.default_rng(4)
DATA = RANDOM.standard_normal((50, 3))
X = RANDOM.standard_normal((8, 3))
KDE = scorefield.KDE(DATA, 0.5)


class Producer:
    """An array that speaks DLPack alone, as another framework's would: counts its capsules."""

    capsules = 0

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **_):
        Producer.capsules += 1
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return (_dlpack.CPU, 0)


def addresses(monkeypatch):
    """Addresses of the matrices that calls take."""
    seen = []
    original = _arrays.Call.matrix

    def matrix(self, what, array, rows=None, columns=None):
        found = original(self, what, array, rows, columns)
        seen.append(found)
        return found

    monkeypatch.setattr(_arrays.Call, "matrix", matrix)
    return seen


def test_numpy_and_torch_go_in_without_a_copy(monkeypatch):
    seen = addresses(monkeypatch)
    wide = np.zeros((8, 5))
    wide[:, 1:4] = X
    inner = wide[:, 1:4]
    result = KDE.score(inner)
    assert seen[0] == (inner.ctypes.data, 5) and isinstance(result, np.ndarray)
    tensor = torch.from_numpy(X)
    of_tensor = KDE.score(tensor)
    assert seen[-2] == (tensor.data_ptr(), 3) and isinstance(of_tensor, torch.Tensor)
    assert np.array_equal(result, of_tensor.numpy())


def test_any_dlpack_array(monkeypatch):
    seen = addresses(monkeypatch)
    before = Producer.capsules
    result = KDE.score(Producer(X))
    assert seen[0] == (X.ctypes.data, 3) and Producer.capsules > before
    assert np.array_equal(result, KDE.score(X))


def test_other_layouts_are_copied():
    expected = KDE.score(X)
    for same in (np.asfortranarray(X), X[::-1][::-1], np.repeat(X, 2, axis=1)[:, ::2], X.tolist(),
                 X.astype(X.dtype.newbyteorder())):  # fmt: skip
        assert np.array_equal(KDE.score(same), expected)
    assert np.array_equal(KDE.score(torch.from_numpy(X.T.copy()).t()).numpy(), expected)
    row = np.broadcast_to(X[0], (4, 3))
    assert np.array_equal(KDE.score(row), np.repeat(expected[:1], 4, 0))
    integers = np.arange(6).reshape(2, 3)
    reference.close(KDE.score(integers), reference.kde(DATA, integers, 0.5)[1], "float64")


def test_a_capsule_out_and_back():
    array = np.arange(6.0).reshape(2, 3)
    for consumed in (True, False):
        owner = weakref.WeakSet()
        held = np.array(array)
        token = Owner()
        owner.add(token)
        capsule = _dlpack.capsule_of(held.ctypes.data, (2, 3), "float64", _dlpack.CPU, 0, token)
        del token
        gc.collect()
        assert len(owner) == 1
        if consumed:
            tensor = torch.utils.dlpack.from_dlpack(capsule)
            assert tensor.data_ptr() == held.ctypes.data and tensor.tolist() == array.tolist()
            del capsule
            gc.collect()
            assert len(owner) == 1
            del tensor
        else:
            assert _dlpack.read(capsule)[:4] == (held.ctypes.data, (2, 3), (3, 1), "float64")
            del capsule
        gc.collect()
        assert len(owner) == 0


class Owner:
    pass


def test_refusals():
    with pytest.raises(TypeError, match="float16"):
        scorefield.KDE(X.astype(np.float16))
    with pytest.raises(TypeError, match="x must be float64"):
        KDE.score(X.astype(np.float16))
    with pytest.raises(TypeError, match="bfloat16"):
        scorefield.KDE(torch.from_numpy(X).to(torch.bfloat16))
    with pytest.raises(TypeError, match="complex"):
        scorefield.KDE(X.astype(complex))
    with pytest.raises(TypeError, match="scorefield.torch"):
        KDE.score(torch.from_numpy(X).requires_grad_())
    with pytest.raises(ValueError, match="int32"):
        scorefield.KDE(X, labels=np.full(8, 2**40))


def test_memory_does_not_grow():
    """Handles are destroyed with their objects: 60 KDEs of 8 MB and more would be 500 MB."""
    data = RANDOM.standard_normal((250000, 2))

    def resident():
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096

    scorefield.KDE(data, 0.5)
    before = resident()
    for _ in range(60):
        scorefield.KDE(data, 0.5)
    assert resident() - before < 150e6


def test_masked_elements_are_refused():
    masked = np.ma.masked_array(X, mask=np.zeros_like(X, dtype=bool))
    assert np.array_equal(KDE.score(masked), KDE.score(X))
    masked[0, 0] = np.ma.masked
    with pytest.raises(ValueError, match="masked"):
        KDE.score(masked)


def test_whole_numbers_that_do_not_fit():
    """As NumPy's are, PyTorch's are refused: neither wrapped nor cut."""
    data = torch.from_numpy(DATA)
    for labels in ([2**32] * 50, torch.full((50,), 2**32), torch.full((50,), 0.9)):
        with pytest.raises(ValueError, match="values do not fit into int32"):
            scorefield.KDE(data, labels=labels)
    for skip in (torch.full((50,), 0.9), torch.full((50,), float("nan"))):
        with pytest.raises(ValueError, match="values do not fit into int64"):
            scorefield.KDE(data, 0.5).log_density(data, skip=skip)
    with pytest.raises(ValueError, match="values do not fit into int32"):
        scorefield.KDE(Producer(DATA), labels=[0.9] * 50)
    whole = scorefield.KDE(data, 0.5).log_density(data, skip=torch.arange(50.0))
    assert np.allclose(whole, KDE.log_density(DATA, skip=np.arange(50)))


def test_masks_of_any_dtype():
    """What is not 0 counts, in every framework."""
    expected = losses.esm(X, X + 1, mask=np.arange(8) < 4).values
    assert np.count_nonzero(expected) == 4
    for mask in ([256, 0.5, -1, 2, 0, 0, 0, 0], [256] * 4 + [0] * 4, [True] * 4 + [False] * 4):
        for made in (np.array, torch.tensor, list):
            given = made(mask)
            assert np.array_equal(losses.esm(X, X + 1, mask=given).values, expected)
            tensor = torch.from_numpy(X)
            found = losses.esm(tensor, tensor + 1, mask=given).values
            assert np.array_equal(found, expected)
    of_bools = Producer((np.arange(8) < 4).view(np.uint8))
    assert np.array_equal(losses.esm(X, X + 1, mask=np.arange(8.0) < 4).values, expected)
    found = losses.esm(Producer(X), Producer(X + 1), mask=of_bools).values
    assert np.array_equal(found, expected)
    found = losses.esm(Producer(X), Producer(X + 1), mask=[256] * 4 + [0] * 4).values
    assert np.array_equal(found, expected)

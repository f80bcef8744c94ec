"""The package's tables of the C interface beside the headers: every constant, struct, function and
callback, so that neither can change alone."""

import ctypes
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "capi" / "abi"))

import headers  # noqa: E402

from scorefield import _abi, _library  # noqa: E402

API = headers.read(ROOT / "include" / "scorefield")
LETTERS = {
    "int32_t": "i", "uint32_t": "I", "int64_t": "q", "uint64_t": "Q", "size_t": "N", "double": "d",
    "scf_status": "i", "void": "",
}  # fmt: skip


def letter(variable):
    """The letter of an argument or a field."""
    if variable.type.endswith("*") or variable.type.endswith("_fn"):
        return "P"
    if variable.length:
        assert variable.type == "char"
        return f"{variable.length}s"
    return LETTERS.get(variable.type, variable.type)


def result(function):
    return "P" if function.result.endswith("*") else LETTERS[function.result]


def signature(function):
    return f"{result(function)}({''.join(map(letter, function.arguments))})"


def test_constants():
    ours = dict(_abi.CONSTANTS)
    for prefix, names in _abi.CHOICES.items():
        ours.update({prefix + name.upper(): value for name, value in names.items()})
    # The version is asked of the library.
    theirs = {name: value for name, value in API.constants.items() if "_VERSION_" not in name}
    assert ours == theirs


def test_structs():
    theirs = {
        name: " ".join(f"{field.name}:{letter(field)}" for field in fields)
        for name, fields in API.structs.items()
    }
    assert _abi.STRUCTS == theirs


def test_struct_layouts():
    """ctypes lays them out as the committed list, which is compared with the C compiler's."""
    lines, structs = [], _abi.struct_types()
    text = (ROOT / "capi" / "abi" / "layouts.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith(" "):
            current = structs[line.split()[0]]
            lines.append(f"{current.__name__} {ctypes.sizeof(current)}")
        else:
            name = line.split()[0]
            field = getattr(current, name)
            lines.append(f"  {name} {field.offset} {field.size}")
    assert "\n".join(lines) == text.rstrip("\n")


def test_functions():
    ours = dict(_abi.FUNCTIONS)
    for name, arguments in _abi.TYPED_FUNCTIONS.items():
        ours.update({name + suffix: f"i({arguments})" for suffix in ("_f32", "_f64")})
    ours.update({name + "_init": "i(PI)" for name in _abi.STRUCTS if name not in _abi.REQUESTS})
    assert ours == {name: signature(function) for name, function in API.functions.items()}


def test_functions_are_those_of_the_symbol_list():
    listed = (ROOT / "capi" / "abi" / "symbols.txt").read_text(encoding="utf-8").split()
    assert sorted(name for name, _, _ in _abi.signatures()) == sorted(listed)


def test_callbacks():
    theirs = {name: signature(function) for name, function in API.callbacks.items()}
    # Allocators of host engines: this package sets none.
    for name in list(theirs):
        if name.startswith(("scf_host_", "scf_device_")):
            del theirs[name]
    assert _abi.CALLBACKS == theirs


def test_version_is_the_headers():
    version = ".".join(
        str(API.constants[f"SCF_VERSION_{part}"]) for part in ("MAJOR", "MINOR", "PATCH")
    )
    assert _library.VERSION == version


def test_a_drift_is_found():
    """The comparison itself sees a changed argument."""
    api = headers.Api()
    headers.read_text(api, "SCF_API scf_status scf_free(scf_context* context, int64_t pointer);")
    assert signature(api.functions["scf_free"]) != _abi.FUNCTIONS["scf_free"]


@pytest.mark.parametrize("name", sorted(_abi.CHOICES["SCF_ERROR_"]))
def test_every_status_is_an_exception(name):
    status = _abi.CHOICES["SCF_ERROR_"][name]
    error = _library.error_of(status, "text")
    assert isinstance(error, _library.Error) and error.status == status and str(error) == "text"

"""What the C headers declare, for the checks of the bindings: constants, callbacks, structs with
their fields, functions with their arguments. The headers are written in one plain style (core.h says
which); anything that this reader does not know is an error, so nothing is passed over in silence.

    api = headers.read("include/scorefield")
    api.functions["scf_free"].arguments[0].type      # "scf_context*"
"""

import pathlib
import re
from dataclasses import dataclass, field


class HeaderError(Exception):
    """A header holds what this reader does not understand."""


@dataclass
class Variable:
    """An argument or a field. type: as C writes it, "const float*"; length: of an array, else 0."""

    name: str
    type: str
    length: int = 0


@dataclass
class Function:
    name: str
    result: str
    arguments: list[Variable]


@dataclass
class Api:
    constants: dict[str, int] = field(default_factory=dict)
    unsigned: set[str] = field(default_factory=set)  # constants with the suffix u: bits of a word
    aliases: dict[str, str] = field(default_factory=dict)  # typedef int32_t scf_status
    opaque: list[str] = field(default_factory=list)
    callbacks: dict[str, Function] = field(default_factory=dict)
    structs: dict[str, list[Variable]] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)


def _without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


def _type(text):
    """ "const  float *" as "const float*"."""
    return re.sub(r"\s*\*", "*", " ".join(text.split()))


def _variable(text):
    match = re.fullmatch(r"\s*(.*?[\s*])(\w+)\s*(?:\[(\d+)\])?\s*", text, flags=re.DOTALL)
    if not match or "(" in text:  # a function pointer gets a typedef: bindings need the name
        raise HeaderError(f"not a variable: {' '.join(text.split())}")
    return Variable(match[2], _type(match[1]), length=int(match[3] or 0))


def _arguments(text):
    text = text.strip()
    return [] if text == "void" else [_variable(part) for part in text.split(",")]


def _take_constants(api, text):
    """Takes the constants, and returns the text without any preprocessor line."""
    text = text.replace("\\\n", " ")
    for line in re.findall(r"^[ \t]*#.*$", text, flags=re.MULTILINE):
        match = re.match(r"\s*#\s*define\s+(SCF_\w+)\s*(.*?)\s*$", line)
        if not match or match[1] == "SCF_API":
            continue
        name, value = match[1], match[2]
        if value == "INT32_MIN":
            api.constants[name] = -(2**31)
        elif re.fullmatch(r"-?\d+u?", value):
            api.constants[name] = int(value.rstrip("u"))
            if value.endswith("u"):
                api.unsigned.add(name)
        else:
            raise HeaderError(f"not a number: {line!r}")
    return re.sub(r"^[ \t]*#.*$", "", text, flags=re.MULTILINE)


def _take_declaration(api, text):
    text = text.strip()
    match = re.fullmatch(r"typedef struct (\w+) \{(.*)\} \1", text, flags=re.DOTALL)
    if match:
        fields = [part for part in match[2].split(";") if part.strip()]
        api.structs[match[1]] = [_variable(part) for part in fields]
        return
    match = re.fullmatch(r"typedef struct (\w+) \1", text)
    if match:
        api.opaque.append(match[1])
        return
    match = re.fullmatch(r"typedef (.+?)\(\*(\w+)\)\s*\((.*)\)", text, flags=re.DOTALL)
    if match:
        api.callbacks[match[2]] = Function(match[2], _type(match[1]), _arguments(match[3]))
        return
    match = re.fullmatch(r"typedef (\w+) (\w+)", text)
    if match:
        api.aliases[match[2]] = match[1]
        return
    match = re.fullmatch(r"SCF_API\s+(.*?[\s*])(scf_\w+)\s*\((.*)\)", text, flags=re.DOTALL)
    if match:
        api.functions[match[2]] = Function(match[2], _type(match[1]), _arguments(match[3]))
        return
    raise HeaderError(f"not a declaration: {' '.join(text.split())}")


def _declarations(text):
    """Splits at semicolons outside of braces."""
    depth, start = 0, 0
    for position, character in enumerate(text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == ";" and depth == 0:
            yield text[start:position]
            start = position + 1
    if text[start:].strip():
        raise HeaderError(f"left over: {text[start:]!r}")


def read_text(api, text):
    """Adds what one header's text declares to api."""
    # The braces of extern "C", whose #ifdef lines would leave them without a partner.
    text = re.sub(r'#ifdef __cplusplus\s+(extern "C" \{|\})\s+#endif', "", _without_comments(text))
    text = re.sub(r"#if defined\(_WIN32\).*?#endif", "", text, flags=re.DOTALL)
    for declaration in _declarations(_take_constants(api, text)):
        _take_declaration(api, declaration)


# In the order in which they need each other.
FAMILIES = ("core", "kde", "random", "loss", "divergence", "schedule", "sampler", "ode")


def read(folder):
    """All headers of the folder, families in the order of FAMILIES, others after them."""
    folder = pathlib.Path(folder)
    names = sorted(path.stem for path in folder.glob("*.h") if path.stem != "scorefield")
    names.sort(key=lambda name: FAMILIES.index(name) if name in FAMILIES else len(FAMILIES))
    api = Api()
    for name in names:
        try:
            read_text(api, (folder / f"{name}.h").read_text(encoding="utf-8"))
        except HeaderError as error:
            raise HeaderError(f"{name}.h: {error}") from error
    return api

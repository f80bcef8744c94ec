"""Checks that a binding declares what the C headers declare: every function with its arguments, every
constant with its value, every struct with its fields, and nothing else.

    bindings.py check rust|fortran|cpp --source DIR    fails, and says what differs
    bindings.py show rust|fortran|cpp NAME...          how the binding declares it, to be pasted
    bindings.py layout rust|fortran STRUCT...          its part of the test of layouts, likewise

What a declaration must be is derived from the headers (headers.py); the binding's own files are read
as text, so that no compiler is needed. Offsets are another matter: each binding's tests compare them
with capi/abi/layouts.txt.
"""

import argparse
import pathlib
import re
import sys
import textwrap

import headers

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Rust:
    """Raw declarations in Rust: capi/rust/src/sys."""

    pattern = "*.rs"
    scalars = {
        "int32_t": "i32", "int64_t": "i64", "uint8_t": "u8", "uint32_t": "u32", "uint64_t": "u64",
        "size_t": "usize", "float": "f32", "double": "f64", "char": "c_char", "void": "c_void",
    }  # fmt: skip

    def __init__(self, api):
        self.api = api

    def type_of(self, c_type, length=0):
        if length:
            return f"[{self.type_of(c_type)}; {length}]"
        if c_type.endswith("*"):
            inner = c_type[:-1]
            const = inner.startswith("const ") and "*" not in inner
            return f"*{'const' if const else 'mut'} {self.type_of(inner.removeprefix('const '))}"
        return self.scalars.get(c_type, c_type)

    def _signature(self, function):
        arguments = ", ".join(f"{a.name}: {self.type_of(a.type)}" for a in function.arguments)
        result = "" if function.result == "void" else f" -> {self.type_of(function.result)}"
        return f"({arguments}){result}"

    def declarations(self):
        api = self.api
        declared = {}
        for name, value in api.constants.items():
            kind = "u32" if name in api.unsigned else "i32"
            declared[name] = f"pub const {name}: {kind} = {value};"
        for name, c_type in api.aliases.items():
            declared[name] = f"pub type {name} = {self.type_of(c_type)};"
        for name, callback in api.callbacks.items():
            signature = self._signature(callback)
            declared[name] = f'pub type {name} = Option<unsafe extern "C" fn{signature}>;'
        for name in api.opaque:
            declared[name] = (
                f"#[repr(C)] pub struct {name} {{ _private: [u8; 0], "
                "_marker: PhantomData<(*mut u8, PhantomPinned)> }"
            )
        for name, fields in api.structs.items():
            members = ", ".join(f"pub {f.name}: {self.type_of(f.type, f.length)}" for f in fields)
            declared[name] = f"#[repr(C)] pub struct {name} {{ {members} }}"
        for name, function in api.functions.items():
            declared[name] = f"pub fn {name}{self._signature(function)};"
        return declared

    @staticmethod
    def found(text):
        text = re.sub(r"//[^\n]*|#\[derive\([^)]*\)\]", "", text)
        text = re.sub(r",\s*([)}>])", r" \1", " ".join(text.split()))
        text = re.sub(r"([(<])\s+", r"\1", re.sub(r"\s+([)>])", r"\1", text))
        for match in re.finditer(
            r"pub (?:const|fn|type) (\w+)[^;]*;|(?:#\[repr\(C\)\] )?pub struct (\w+) \{[^}]*\}", text
        ):
            yield match[1] or match[2], match[0]

    def show(self, name):
        return self.declarations()[name]

    def layout(self, name):
        return f"{name} {{ {', '.join(f.name for f in self.api.structs[name])} }}"


class Fortran:
    """iso_c_binding modules: capi/fortran. Handles, streams and arrays are type(c_ptr) by value, for
    they may be of a device; a struct is passed by reference, optional where C takes NULL."""

    pattern = "*.f90"
    scalars = {
        "int32_t": "integer(c_int32_t)", "int64_t": "integer(c_int64_t)",
        "uint8_t": "integer(c_int8_t)", "uint32_t": "integer(c_int32_t)",
        "uint64_t": "integer(c_int64_t)", "size_t": "integer(c_size_t)", "float": "real(c_float)",
        "double": "real(c_double)", "char": "character(kind=c_char)",
        "scf_status": "integer(c_int32_t)",
    }  # fmt: skip

    arrays = ("sign",)  # integers that a function writes, of which there are many

    def __init__(self, api):
        self.api = api

    def value_type(self, c_type):
        if c_type.endswith("*"):
            return "type(c_ptr)"
        if c_type in self.api.callbacks:
            return "type(c_funptr)"
        return self.scalars.get(c_type) or f"type({c_type})"

    def argument_type(self, name, c_type):
        pointee = c_type[:-1].removeprefix("const ")
        if c_type.endswith("**"):
            return "type(c_ptr), intent(out)"
        if c_type.endswith("*") and pointee in self.api.structs:
            intent = "in" if c_type.startswith("const ") else "inout"
            return f"type({pointee}), intent({intent}), optional"
        if c_type in ("size_t*", "int32_t*") and name not in self.arrays:
            return f"{self.scalars[pointee]}, intent(out)"
        return f"{self.value_type(c_type)}, value"

    def _function(self, function):
        names = ", ".join(a.name for a in function.arguments)
        if function.result == "void":
            head = f"subroutine {function.name}({names}) bind(C)"
        else:
            head = f"{self.value_type(function.result)} function {function.name}({names}) bind(C)"
        return [head] + [
            f"{self.argument_type(a.name, a.type)} :: {a.name}" for a in function.arguments
        ]

    def _struct(self, name, fields):
        lines = [f"type, bind(C) :: {name}"]
        for f in fields:
            shape = f"({f.length})" if f.length else ""
            lines.append(f"{self.value_type(f.type)} :: {f.name}{shape}")
        return lines

    def _parts(self):
        for name, value in self.api.constants.items():
            text = f"{value}_c_int32_t"
            if value == -(2**31):
                text = f"-{2**31 - 1}_c_int32_t - 1_c_int32_t"
            yield name, [f"integer(c_int32_t), parameter :: {name} = {text}"]
        for name, fields in self.api.structs.items():
            yield name, self._struct(name, fields)
        for name, function in self.api.functions.items():
            yield name, self._function(function)

    def declarations(self):
        return {name: "\n".join(lines).lower() for name, lines in self._parts()}

    @staticmethod
    def _statements(text):
        text = re.sub(r"![^\n]*", "", text)
        text = re.sub(r"&\s*\n\s*&?", " ", text)
        for line in text.lower().split("\n"):
            line = " ".join(line.split())
            line = re.sub(r"\(\s+", "(", re.sub(r"\s+([),])", r"\1", line))
            if line:
                yield line

    def found(self, text):
        """One declaration a line, as declarations() has them, whatever the grouping in the file."""
        name, lines = None, []
        in_contains = False
        for line in self._statements(text):
            in_contains = in_contains or line == "contains"
            if in_contains:
                continue
            match = re.match(r"(?:type, bind\(c\) :: |(?:.* )?(?:function|subroutine) )(scf_\w+)", line)
            if line.startswith("end "):
                if name and re.fullmatch(rf"end (type|function|subroutine) {name}", line):
                    yield name, "\n".join(lines)
                    name, lines = None, []
            elif match:
                name, lines = match[1], [line]
            elif name and " :: " in line:
                kind, names = line.split(" :: ")
                lines += [f"{kind} :: {variable}" for variable in names.split(", ")]
            elif ", parameter :: scf_" in line:
                yield re.search(r":: (\w+) =", line)[1], line

    def show(self, name):
        lines = dict(self._parts())[name]
        if "parameter" in lines[0]:
            return "  " + lines[0]
        if lines[0].startswith("type,"):
            fields = [f"    {line}" for line in lines[1:]]
            return "\n".join([f"  {lines[0]}", *fields, f"  end type {name}"])
        body, last = [], None
        for line in lines[1:]:
            kind, variable = line.split(" :: ")
            if kind == last:
                body[-1] += f", {variable}"
            else:
                body.append(f"{kind} :: {variable}")
            last = kind
        kind = "subroutine" if lines[0].startswith("subroutine") else "function"
        text = [_wrapped(lines[0], 4), "      import"] + [_wrapped(x, 6) for x in body]
        return "\n".join(text + [f"    end {kind} {name}"])


    def layout(self, name):
        call = '    call {}("{}", c_loc(s{}), c_sizeof(s{}))'.format
        fields = [call("field", f.name, f"%{f.name}", f"%{f.name}") for f in self.api.structs[name]]
        head = [f"  subroutine print_{name}()", f"    type({name}), target :: s"]
        return "\n".join([*head, call("begin", name, "", ""), *fields, f"  end subroutine print_{name}"])


def _wrapped(line, indent):
    """A Fortran statement in lines of at most 100 columns."""
    parts = textwrap.wrap(line, 96 - indent, break_long_words=False)
    return (" &\n" + " " * (indent + 2)).join([" " * indent + parts[0]] + parts[1:])


class Cpp:
    """scorefield.hpp is compiled against the headers, so what it names is right. What is asked here is
    that it names everything: each function, and an alias of each struct that has defaults."""

    pattern = "*.hpp"

    def __init__(self, api):
        self.api = api

    def declarations(self):
        declared = {name: name for name in self.api.functions}
        for name in self.api.structs:
            if f"{name}_init" in self.api.functions:
                del declared[f"{name}_init"]
                alias = name.removeprefix("scf_")
                declared[name] = f"using {alias} = detail::initialised<{name}, {name}_init>;"
        return declared

    def show(self, name):
        return self.declarations()[name]

    def found(self, text):
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        for match in re.finditer(r"using (\w+) =\s+detail::initialised<\s*(\w+),\s*(\w+)>;", text):
            yield match[2], " ".join(match[0].split()).replace("< ", "<")
        for name in set(re.findall(r"\bscf_\w+(?=[\s(,)])", text)):
            if name in self.api.functions and not name.endswith("_init"):
                yield name, name


LANGUAGES = {"rust": Rust, "fortran": Fortran, "cpp": Cpp}


def differences(language, texts):
    """What is missing from the binding's texts, differs, is there twice, or should not be there."""
    declarations = language.declarations()
    spelling = {name.lower() if isinstance(language, Fortran) else name: name
                for name in declarations}  # Fortran knows no case
    expected = {found_as: declarations[name] for found_as, name in spelling.items()}
    found, problems = {}, []
    for text in texts:
        for name, declaration in language.found(text):
            if name in found and not isinstance(language, Cpp):
                problems.append(f"{name} is declared twice")
            found[name] = declaration
    for name, declaration in expected.items():
        if name not in found:
            problems.append(f"{name} is missing:\n{language.show(spelling[name])}")
        elif found[name] != declaration:
            problems.append(f"{name} differs; it should be\n{language.show(spelling[name])}")
    problems += [f"{name}: the headers declare nothing like\n  {found[name]}"
                 for name in found if name not in expected]  # fmt: skip
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("action", choices=("check", "show", "layout"))
    parser.add_argument("language", choices=LANGUAGES)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--headers", type=pathlib.Path, default=ROOT / "include/scorefield")
    parser.add_argument("--source", type=pathlib.Path)
    arguments = parser.parse_args()
    try:
        api = headers.read(arguments.headers)
    except headers.HeaderError as error:
        sys.exit(str(error))
    language = LANGUAGES[arguments.language](api)
    if arguments.action != "check":
        write = getattr(language, arguments.action)
        print("\n".join(write(name) for name in arguments.names))
        return 0
    files = sorted(arguments.source.glob(language.pattern))
    if not files:
        sys.exit(f"no {language.pattern} in {arguments.source}")
    problems = differences(language, [file.read_text(encoding="utf-8") for file in files])
    print("\n".join(problems) or f"{len(language.declarations())} declarations agree")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

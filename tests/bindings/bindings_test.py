"""Tests of the checks of the bindings: that the headers are read whole, and that a binding which
drifted is found out. Usage: bindings_test.py ROOT LAYOUTS, the second the program of capi/abi."""

import pathlib
import re
import subprocess
import sys
import unittest

ROOT, LAYOUTS = pathlib.Path(sys.argv[1]), sys.argv[2]
sys.path.insert(0, str(ROOT / "capi/abi"))
import bindings  # noqa: E402
import headers  # noqa: E402

API = headers.read(ROOT / "include/scorefield")


def texts(language):
    folder = {"rust": "capi/rust/src/sys", "fortran": "capi/fortran", "cpp": "include/scorefield"}
    paths = sorted((ROOT / folder[language]).glob(bindings.LANGUAGES[language].pattern))
    return [path.read_text(encoding="utf-8") for path in paths]


def problems(language, old=None, new=None):
    """Of a binding in which the first `old` is `new`."""
    sources = texts(language)
    if old is not None:
        place = next(i for i, text in enumerate(sources) if old in text)
        sources[place] = sources[place].replace(old, new, 1)
    return bindings.differences(bindings.LANGUAGES[language](API), sources)


class TheHeadersAreReadWhole(unittest.TestCase):
    def test_every_exported_function(self):
        text = "".join(p.read_text() for p in (ROOT / "include/scorefield").glob("*.h"))
        self.assertEqual(len(API.functions), len(re.findall(r"^SCF_API ", text, re.MULTILINE)))

    def test_fields_and_sizes_are_the_compilers(self):
        layouts, name = {}, None
        for line in subprocess.check_output([LAYOUTS], text=True).splitlines():
            words = line.split()
            if line.startswith(" "):
                layouts[name].append((words[0], int(words[2])))
            else:
                name = words[0]
                layouts[name] = []
        self.assertEqual(list(layouts), [n for n in layouts if n in API.structs])
        self.assertEqual(set(layouts), set(API.structs))
        sizes = {"int32_t": 4, "uint32_t": 4, "int64_t": 8, "uint64_t": 8, "double": 8, "char": 1}
        for name, fields in API.structs.items():
            total = dict.fromkeys([name], sum(size for _, size in layouts[name]))
            sizes.update(total)
        for name, fields in API.structs.items():
            read = [(f.name, sizes.get(f.type, 8) * max(f.length, 1)) for f in fields]
            self.assertEqual(read, layouts[name], name)

    def test_what_is_not_understood_is_an_error(self):
        for text in ("enum scf_kind { A };", "#define SCF_HALF 0.5\n", "SCF_API int scf_x(void)",
                     "typedef struct scf_s { int (*f)(int); } scf_s;"):  # fmt: skip
            with self.assertRaises(headers.HeaderError, msg=text):
                headers.read_text(headers.Api(), text)

    def test_a_type_is_read_as_c_has_it(self):
        api = headers.Api()
        headers.read_text(api, "SCF_API scf_status scf_f(const  float *x, void* * y, char z[8]);")
        self.assertEqual(
            [(a.name, a.type, a.length) for a in api.functions["scf_f"].arguments],
            [("x", "const float*", 0), ("y", "void**", 0), ("z", "char", 8)],
        )


class ADriftIsFound(unittest.TestCase):
    def expect(self, language, name, old, new):
        found = problems(language, old, new)
        self.assertEqual(len(found), 1, f"{old!r} as {new!r}: {found}")
        self.assertIn(name, found[0])

    def test_no_drift(self):
        for language in bindings.LANGUAGES:
            self.assertEqual(problems(language), [])

    def test_rust(self):
        for name, old, new in (
            ("scf_version", "pub fn scf_version() -> i32;", ""),
            ("scf_version", "pub fn scf_version() -> i32;", "pub fn scf_version() -> i64;"),
            ("scf_kde_size", "scf_kde_size(kde: *const", "scf_kde_size(kde: *mut"),
            ("SCF_ERROR_CUDA", "SCF_ERROR_CUDA: i32 = 6", "SCF_ERROR_CUDA: i32 = 7"),
            ("scf_kde_params", "pub reserved: u32,\n    pub weights", "pub weights"),
            ("scf_kde_params", "#[repr(C)]\n#[derive(Clone, Copy)]\npub struct scf_kde_params",
             "#[derive(Clone, Copy)]\npub struct scf_kde_params"),
            ("scf_more", "pub fn scf_version() -> i32;",
             "pub fn scf_version() -> i32; pub fn scf_more();"),
            ("declared twice", "pub fn scf_version() -> i32;", "pub fn scf_version() -> i32;" * 2),
        ):  # fmt: skip
            self.expect("rust", name, old, new)

    def test_fortran(self):
        for name, old, new in (
            ("scf_kde_size", "integer(c_int64_t) function scf_kde_size(kde)",
             "integer(c_int32_t) function scf_kde_size(kde)"),
            ("scf_error_cuda", "SCF_ERROR_CUDA = 6_c_int32_t", "SCF_ERROR_CUDA = 7_c_int32_t"),
            ("scf_kde_params", "    integer(c_int32_t) :: reserved\n    type(c_ptr) :: weights",
             "    type(c_ptr) :: weights"),
            ("scf_kde_destroy", "type(c_ptr), value :: kde\n    end subroutine scf_kde_destroy",
             "type(c_ptr) :: kde\n    end subroutine scf_kde_destroy"),
        ):  # fmt: skip
            self.expect("fortran", name, old, new)

    def test_cpp(self):
        self.expect("cpp", "scf_kde_moments", "scf_kde_moments(", "scf_kde_momentum(")
        self.expect("cpp", "scf_sde_params", "using sde_params =", "using the_sde_params =")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

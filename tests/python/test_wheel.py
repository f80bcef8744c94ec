"""The package as a user installs it: one wheel for every Python, around a library that is built
already; made self-contained by auditwheel; installed in a new virtual environment."""

import os
import pathlib
import re
import subprocess
import sys
import zipfile

import pytest

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "capi" / "python"
LIBRARY = os.environ.get("SCF_PREBUILT_LIBRARY")
if not LIBRARY:
    pytest.skip("SCF_PREBUILT_LIBRARY names no library", allow_module_level=True)

USE = """
import sys
sys.path = [entry for entry in sys.path if "dist-packages" not in entry]
import numpy as np, scorefield
assert scorefield.__file__.startswith(sys.prefix), scorefield.__file__
kde = scorefield.KDE(np.array([[0.0], [1.0]]), 0.5)
assert abs(float(kde.score(np.array([[0.5]]))[0, 0])) < 1e-12
with open("/proc/self/maps") as file:
    for name in sorted({line.split()[-1] for line in file if "tbb" in line or "hwy" in line}):
        print("loaded", name)
print("version", scorefield.__version__)
"""


def run(*arguments, **options):
    own = ("PYTHONPATH", "SCOREFIELD_LIBRARY")
    environment = {name: value for name, value in os.environ.items() if name not in own}
    environment["PATH"] = f"{pathlib.Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True,
                          env=environment, **options)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    built = f"cmake.define.SCF_PREBUILT_LIBRARY={LIBRARY}"
    options = ["--no-deps", "--no-build-isolation", "--config-settings", built]
    run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", folder, PACKAGE)
    (found,) = folder.glob("*.whl")
    return found


def test_one_wheel_for_every_python(wheel):
    header = (PACKAGE.parents[1] / "include" / "scorefield" / "core.h").read_text(encoding="utf-8")
    version = ".".join(
        re.search(rf"SCF_VERSION_{part} (\d+)", header)[1] for part in ("MAJOR", "MINOR", "PATCH")
    )
    assert re.fullmatch(rf"scorefield-{version}-py3-none-linux_\w+\.whl", wheel.name)
    names = zipfile.ZipFile(wheel).namelist()
    for module in PACKAGE.glob("scorefield/*.py"):
        assert f"scorefield/{module.name}" in names
    assert "scorefield/py.typed" in names
    assert [name for name in names if name.endswith(".so")] == ["scorefield/libscorefield.so"]
    assert not [name for name in names if "CMakeLists" in name or "__pycache__" in name]


def test_auditwheel_and_a_new_environment(wheel, tmp_path):
    text = run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", tmp_path, wheel)
    (repaired,) = tmp_path.glob("*.whl")
    glibc = min(int(number) for number in re.findall(r"manylinux_2_(\d+)", repaired.name))
    assert glibc <= 36, text
    bundled = [name for name in zipfile.ZipFile(repaired).namelist() if "scorefield.libs/" in name]
    environment = tmp_path / "new"
    # Our pip installs into it: a pip of its own, and compiled modules, would take longer than the test.
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    options = ["--python", python, "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", *options, "install", "--no-compile", "numpy<2", repaired)
    lines = run(python, "-c", USE).split("\n")
    loaded = [line.split()[1] for line in lines if line.startswith("loaded")]
    assert any(line.startswith("version") for line in lines)
    # What is not glibc's comes along: nothing of apt's is loaded.
    assert loaded and all(name.startswith(str(environment)) for name in loaded), loaded
    assert len(bundled) >= len(loaded)

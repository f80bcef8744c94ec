"""The README's example runs as it stands."""

import pathlib
import re

README = pathlib.Path(__file__).resolve().parents[2] / "capi" / "python" / "README.md"


def test_the_example_runs(capsys):
    (code,) = re.findall(
        r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    assert len(code.splitlines()) <= 11
    found = {}
    exec(compile(code, str(README), "exec"), found)
    assert found["noisy"].shape == (5, 2) and found["kde"].fit_result.bandwidth > 0

"""doctor on packages of others: absent, broken, working."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from nerfconvert.pipelines.accelerators import PROBES, accelerators


def write_package(folder, name: str, code: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code)


@pytest.mark.parametrize("name", list(PROBES))
def test_a_package_that_is_not_there(name):
    if importlib.util.find_spec(name):
        pytest.skip(f"{name} is installed")
    assert accelerators()[name] == {"version": None, "works": False, "reason": "not installed"}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('hello')\nraise OSError('no GPU\\nat all')", "OSError: no GPU"),
        ("def render_weight_from_density(*a):\n    return [a[2]]", "ValueError: wrong weights"),
    ],
)
def test_a_package_that_fails(code, reason, tmp_path, monkeypatch, capsys):
    if importlib.util.find_spec("nerfacc"):
        pytest.skip("nerfacc is installed")
    write_package(tmp_path, "nerfacc", code)
    monkeypatch.syspath_prepend(tmp_path)
    found = accelerators()["nerfacc"]
    monkeypatch.delitem(sys.modules, "nerfacc", raising=False)
    assert found["version"] == "unknown"
    assert not found["works"]
    assert found["reason"].startswith(reason)
    assert capsys.readouterr().out == ""

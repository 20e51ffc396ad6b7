"""Every script can be imported, and so started, with what it takes from the package."""

from __future__ import annotations

import runpy
import sys

import pytest

from .conftest import ROOT

OPTIONAL = ("ray",)  # extras that CI does not install
SCRIPTS = sorted((ROOT / "scripts").rglob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_starts(script, monkeypatch):
    monkeypatch.syspath_prepend(str(script.parent))  # as Python does for the script it runs
    monkeypatch.setattr(sys, "argv", [str(script)])
    try:
        runpy.run_path(str(script), run_name="imported")
    except ModuleNotFoundError as missing:
        if missing.name.partition(".")[0] not in OPTIONAL:
            raise
        pytest.skip(f"{missing.name} is not installed")

"""files: TOML on every Python that the project supports."""

from __future__ import annotations

import runpy
import sys
from types import ModuleType

from nerfconvert import files


def test_python_without_tomllib_takes_tomli(monkeypatch):
    """The module, run as Python 3.10 would; a bare module stands in for a tomli not installed."""
    tomli = ModuleType("tomli")
    monkeypatch.setitem(sys.modules, "tomli", tomli)
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    assert runpy.run_path(files.__file__)["tomllib"] is tomli

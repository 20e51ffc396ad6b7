"""files: TOML on every Python that the project supports, and text of any file name."""

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


def test_a_name_that_is_not_utf8_is_escaped(tmp_path):
    files.write_text(tmp_path / "page.html", "é caf\udce9.ckpt")
    assert (tmp_path / "page.html").read_bytes() == "é caf\\udce9.ckpt".encode()

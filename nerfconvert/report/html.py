"""Pages made of templates: one file each, which asks nothing of any network and runs no other
script than its own."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .. import __version__
from ..students.sizes import bytes_figure
from .figures import depth_figure, figure

FOLDER = Path(__file__).parent / "templates"


def html_page(name: str, context: Mapping[str, Any]) -> str:
    """HTML of the template NAME.html, with the script NAME.js in it.

    Whatever is in `context` is text: markup in it is escaped. The page's policy lets it load
    nothing, and run its script alone, known by its hash.
    """
    script = (FOLDER / f"{name}.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(f"{name}.html")
        .render(
            **context,
            version=__version__,
            style=Markup((FOLDER / "style.css").read_text(encoding="utf-8")),
            script=Markup(script),
            script_hash=f"sha256-{digest}",
        )
    )


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": figure, "bytes": bytes_figure, "depth": depth_figure}
    return environment

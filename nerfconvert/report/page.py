"""The report of a comparison as one HTML page that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from .tables import compare_rows

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem;
       color: #222; background: #fff; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .8rem; text-align: left; }
img, video { max-width: 100%; display: block; margin: .5rem 0; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818; }
       th, td { border-color: #444; } }
"""


def report_page(document: dict[str, Any], images: Sequence[str]) -> str:
    """HTML of a `compare` document; `images` are paths relative to the page."""
    header, rows = compare_rows(document)
    width, height = document["resolution"]
    protocol = "; ".join(f"{key}: {value}" for key, value in document["protocol"].items())
    machine = "; ".join(f"{key}: {value}" for key, value in document["machine"].items())
    video = document["video"]
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>nerfconvert compare</title><style>{STYLE}</style>",
        "<h1>Comparison</h1>",
        f"<p>{document['views']} held-out views at {width}×{height}.</p>",
        _table(header, rows),
        f"<video src='{escape(Path(video).name)}' controls loop muted></video>" if video else "",
        "<h2>Held-out views</h2>",
        *(f"<img src='{escape(path)}' alt='view {i}'>" for i, path in enumerate(images)),
        f"<p><small>Protocol: {escape(protocol)}.<br>Machine: {escape(machine)}.</small></p>",
        "</html>",
    ]
    return "\n".join(part for part in parts if part)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"

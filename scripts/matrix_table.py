#!/usr/bin/env python3
"""Puts the first tables of a benchmark's folder into a Markdown file, between two marker comments.

    python scripts/matrix_table.py matrix BENCHMARKS.md --tables 2

replaces what stands between the lines `<!-- matrix -->` and `<!-- /matrix -->`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def replace_between(document: Path, name: str, text: str) -> None:
    """Puts `text` between the comments `<!-- name -->` and `<!-- /name -->` of a file. ValueError
    unless each is there once, in order."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    whole = document.read_text(encoding="utf-8")
    if whole.count(begin) != 1 or whole.count(end) != 1 or whole.index(begin) > whole.index(end):
        raise ValueError(f"the file must hold '{begin}' and after it '{end}', each once")
    before, _, rest = whole.partition(begin)
    _, _, after = rest.partition(end)
    partial = document.with_suffix(".partial")
    partial.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")
    os.replace(partial, document)


def first_tables(text: str, count: int) -> str:
    """The first `count` tables of `matrix.md`, each with its title; all where there are fewer."""
    _, *titled = ("\n" + text).split("\n**")
    return "\n".join(f"**{table}" for table in titled[:count])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of `nerfconvert bench -o`")
    parser.add_argument("document", type=Path, nargs="?", default=Path("BENCHMARKS.md"))
    parser.add_argument("--tables", type=int, default=1, help="how many, from the first")
    options = parser.parse_args()
    text = (options.folder / "matrix.md").read_text(encoding="utf-8")
    replace_between(options.document, "matrix", first_tables(text, options.tables))


if __name__ == "__main__":
    main()

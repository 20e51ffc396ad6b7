#!/usr/bin/env python3
"""Puts the first tables of a benchmark's folder into a Markdown file, between two marker comments.

    python scripts/matrix_table.py matrix BENCHMARKS.md --tables 2

replaces what stands between the lines `<!-- matrix -->` and `<!-- /matrix -->`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

BEGIN, END = "<!-- matrix -->", "<!-- /matrix -->"


def with_tables(text: str, tables: str) -> str:
    """`text` with `tables` between its markers. ValueError unless each is there once, in order."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the file must hold '{BEGIN}' and after it '{END}', each once")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables.strip()}\n\n{END}{after}"


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
    tables = first_tables(text, options.tables)
    text = with_tables(options.document.read_text(encoding="utf-8"), tables)
    partial = options.document.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, options.document)


if __name__ == "__main__":
    main()

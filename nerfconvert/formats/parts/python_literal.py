"""python_literal: settings that a program wrote as Python source, ``config = {...}``, as data.

The source is parsed, never run; what is more than literals is refused.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from .sidecar import beginning

LIMIT = 32 << 10  # bytes; a config of K-Planes has 2 thousand


def read_literal(path: Path, name: str) -> Any:
    """The value that a file assigns to `name`. Raises ValueError, OSError."""
    data = beginning(path, LIMIT + 1)
    if len(data) > LIMIT:
        raise ValueError(f"it has more than {LIMIT} bytes")
    try:
        for statement in ast.parse(data.decode()).body:
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return ast.literal_eval(statement.value)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as problem:
        why = " ".join(str(problem).split())[:200] or type(problem).__name__
        raise ValueError(f"{name} is no literal: {why}") from None
    raise ValueError(f"it does not assign {name}")

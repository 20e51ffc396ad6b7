"""What each command takes beside its own options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg


@dataclass(frozen=True, kw_only=True)
class Output:
    """What is printed."""

    json: Annotated[bool, arg(help="Print one JSON document on stdout, nothing else.")] = False
    quiet: Annotated[bool, arg(aliases=("-q",), help="No messages, no progress.")] = False
    verbose: Annotated[bool, arg(aliases=("-v",), help="Log more; errors with traceback.")] = False

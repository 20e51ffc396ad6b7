"""What serving a page needs: the package for it, and a port. Imports no torch."""

from __future__ import annotations

import importlib.util
import socket

from ..errors import BackendError, UsageError


def require_viser() -> None:
    """Raises BackendError where the package that makes the page is not installed."""
    if importlib.util.find_spec("viser") is None:
        raise BackendError(
            "view needs the package viser, which is not installed: `pip install viser`, or install "
            "nerfconvert with its extra 'view' (`pip install '.[view]'`)"
        )


def check_port(host: str, port: int) -> None:
    """Raises UsageError where nothing can be served at `host`:`port`; port 0 stands for any."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        raise UsageError(
            f"--host {host} --port {port}: cannot be served at ({error.strerror or error}); "
            "without --port a free one is taken"
        ) from error

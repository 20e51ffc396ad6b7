"""What serving a page needs: a port. Imports no torch."""

from __future__ import annotations

import socket

from ..errors import UsageError


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

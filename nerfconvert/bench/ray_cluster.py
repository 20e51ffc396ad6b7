"""The Ray cluster that a benchmark runs on, and whether a run fits into it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

from ..errors import BackendError, in_a_line

PATIENCE_S = 5.0
START = "`ray start --head` starts one, RAY_ADDRESS=HOST:PORT names another"


@contextlib.contextmanager
def cluster() -> Iterator[Any]:
    """While open, the package ray, connected: to RAY_ADDRESS, else to the cluster that this machine
    is a node of. None is started: it would listen on the network. Raises BackendError where there
    is none.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before the import; nothing is sent
    import ray

    if ray.is_initialized():  # by the program that calls us, which goes on with it
        yield ray
        return
    address = os.environ.get("RAY_ADDRESS", "auto")
    _check_address(address)
    with _signals_kept():
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError as error:
            why = in_a_line(str(error))
            raise BackendError(f"no Ray cluster can be reached: {START} ({why})") from error
    try:
        yield ray
    finally:
        with _signals_kept():
            ray.shutdown()


def _check_address(address: str) -> None:
    """Raises BackendError where nothing listens at HOST:PORT, for which ray waits a long time."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or "/" in host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE_S).close()
    except (OSError, OverflowError) as error:
        raise BackendError(
            f"no Ray cluster is at RAY_ADDRESS={address} ({error}): {START}"
        ) from None


def check_room(ray: Any, cpus: int, gpus: int) -> None:
    """Raises BackendError where no node of the cluster has what one run needs."""
    for node in ray.nodes():
        has = node["Resources"] if node["Alive"] else {}
        if has.get("CPU", 0) >= cpus and has.get("GPU", 0) >= gpus:
            return
    raise BackendError(
        f"no node of the Ray cluster has {cpus} CPUs and {gpus} GPUs for a run: OMP_NUM_THREADS=1 "
        "asks for one CPU each, --device cpu for no GPU"
    )


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """While open, handlers of signals may change, as ray does it; then they are as before."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # not the main thread: ray changed nothing either
            for number, handler in kept.items():
                signal.signal(number, handler)

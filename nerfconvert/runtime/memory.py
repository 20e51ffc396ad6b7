"""Available memory, as the operating system reports it."""

from __future__ import annotations

import os
from pathlib import Path

import torch


def available_bytes(device: torch.device) -> int | None:
    """Bytes that a new field on `device` may take; None where the system does not report it."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    known = [n for n in (_of_the_machine(), _of_the_container()) if n is not None]
    return min(known, default=None)


def _of_the_machine() -> int | None:
    """Linux reports what is free or can be freed, other systems only the installed memory."""
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows
        return None


def _of_the_container(
    folder: str = "/sys/fs/cgroup", told: str = "/proc/self/cgroup"
) -> int | None:
    """Bytes left below the limits of this process's control groups, of either version, without
    counting the page cache; None if unlimited."""
    left = []
    for line in _lines(told):
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            root, names = Path(folder, "memory"), ("memory.limit_in_bytes", "total_rss ")
        elif not controllers:
            root, names = Path(folder), ("memory.max", "anon ")
        else:
            continue
        group = root / path.lstrip("/")
        for above in (group, *group.parents):
            left += _left_in(above, *names)
            if above == root:
                break
    return min(left, default=None)


def _left_in(group: Path, limit: str, used: str) -> list[int]:
    """Bytes left below the limit of one control group, where it has one."""
    most = "".join(_lines(f"{group}/{limit}")).strip()
    taken = [line.split()[1] for line in _lines(f"{group}/memory.stat") if line.startswith(used)]
    return [max(0, int(most) - int(taken[0]))] if most.isdigit() and taken else []


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []

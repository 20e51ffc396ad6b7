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


def _of_the_container(folder: str = "/sys/fs/cgroup") -> int | None:
    """Bytes left below the control group's limit, without counting the page cache; None if
    unlimited."""
    limit = "".join(_lines(f"{folder}/memory.max")).strip()
    used = [line.split()[1] for line in _lines(f"{folder}/memory.stat") if line.startswith("anon ")]
    return max(0, int(limit) - int(used[0])) if limit.isdigit() and used else None


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []

"""Gates: limits that somebody set on the figures of a document, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import NerfConvertError
from ..options.groups import Gates
from ..students.sizes import bytes_figure, parse_bytes

LEAST = {"min_psnr"}  # the gates that ask for at least their limit; the others for at most


class QualityError(NerfConvertError):
    """A gate failed; the output was written nevertheless. `document` holds the figures."""

    exit_code = 5

    def __init__(self, message: str, document: dict[str, Any]):
        super().__init__(message)
        self.document = document


def gates(asked: Gates, max_size: str | None, found: Mapping[str, float]) -> list[dict[str, Any]]:
    """One {"gate", "limit", "found", "passed"} for each limit that is set.

    `found` has under each gate's name the figure that it judges: dB of PSNR for `min_psnr`, dB of
    it lost for `max_drop` (NaN, the difference of two infinite PSNR, is none), bytes for `max_size`
    and seconds for `max_seconds_per_frame`.
    """
    limits = {
        "min_psnr": asked.min_psnr,
        "max_drop": asked.max_drop,
        "max_size": parse_bytes(max_size),
        "max_seconds_per_frame": asked.max_seconds_per_frame,
    }
    judged = []
    for name, limit in limits.items():
        if limit is not None:
            value = found[name]
            failed = value < limit if name in LEAST else value > limit
            judged.append({"gate": name, "limit": limit, "found": value, "passed": not failed})
    return judged


def pass_gates(document: dict[str, Any]) -> None:
    """Raises QualityError, which names each one, where some of the document's gates failed."""
    failed = [_told(gate) for gate in document["gates"] if not gate["passed"]]
    if failed:
        raise QualityError("; ".join(failed), document)


def option_of(gate: dict[str, Any]) -> str:
    """How its limit was asked for: '--min-psnr 31.00 dB'."""
    return f"--{gate['gate'].replace('_', '-')} {_WORDS[gate['gate']][1](gate['limit'])}"


def verdict(gate: dict[str, Any]) -> str:
    """What became of it: 'passed: PSNR is 31.25 dB', 'failed: the file has 5.00 MB'."""
    return f"{'passed' if gate['passed'] else 'failed'}: {_found(gate)}"


def _told(gate: dict[str, Any]) -> str:
    option, limit = option_of(gate).split(" ", 1)
    asks = "asks" if gate["gate"] in LEAST else "allows"
    where = f"{gate['path']}: " if "path" in gate else ""
    return f"{where}{_found(gate)}, {option} {asks} {limit}"


def _found(gate: dict[str, Any]) -> str:
    what, shown = _WORDS[gate["gate"]]
    if gate["gate"] == "max_drop" and gate["found"] is None and gate["passed"]:
        return f"{what} nothing"  # the difference of two infinite PSNR
    return f"{what} {shown(gate['found'])}"


def _decibels(value: float | None) -> str:
    return "infinite" if value is None else f"{value:.2f} dB"


_WORDS = {
    "min_psnr": ("PSNR is", _decibels),
    "max_drop": ("PSNR lost against the truth is", _decibels),
    "max_size": ("the file has", bytes_figure),
    "max_seconds_per_frame": ("a frame takes", lambda value: f"{value:.3g} s"),
}

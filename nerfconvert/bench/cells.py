"""Cells of the conversion matrix, and the document of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..distiller.recipes import DEFAULT
from ..metrics.speedup import conversion_curve, conversion_seconds, speedup, time_to_reach
from .benchmark import BenchConfig, Target, Teacher
from .process import Outcome

SCHEMA = "nerfconvert.bench/1"
PENDING = "not run yet"


@dataclass
class Cell:
    """One teacher, one student, one recipe, and their results so far."""

    teacher: Teacher
    target: Target
    recipe: str
    outcome: Outcome | None = None
    receipt: dict[str, Any] | None = None
    training: dict[str, Any] | None = None  # of the student from scratch: what `train` printed
    scratch_reason: str | None = None
    vs_teacher: float | None = None  # dB of the student from scratch
    vs_teacher_reason: str | None = None

    @property
    def title(self) -> str:
        recipe = "" if self.recipe == DEFAULT else f" ({self.recipe})"
        return f"{self.teacher.name} -> {self.target.name}{recipe}"

    def take_scratch(
        self,
        training: dict[str, Any] | None,
        outcome: Outcome,
        beside: dict[str, float] | Outcome,
    ) -> None:
        """Records how training the student from scratch went, and its PSNR against the teachers."""
        self.training, self.scratch_reason = training, outcome.error
        if isinstance(beside, Outcome):
            self.vs_teacher_reason = beside.error
        else:
            self.vs_teacher = beside.get(self.teacher.name)
            self.vs_teacher_reason = (
                "the teacher cannot be read" if self.vs_teacher is None else None
            )

    def entry(self) -> dict[str, Any]:
        """The cell's entry in the document."""
        entry: dict[str, Any] = {
            "teacher": self.teacher.name,
            "student": self.target.name,
            "recipe": self.recipe,
            "exit_code": self.outcome.exit_code if self.outcome else None,
            "seconds": conversion_seconds(self.receipt) if self.receipt else None,
            "receipt": self.receipt,
        }
        if self.receipt is None:
            entry["receipt_reason"] = self.outcome.error if self.outcome else PENDING
        return entry | self._scratch() | self._speedup()

    def _scratch(self) -> dict[str, Any]:
        if self.training is None:
            return {"scratch": None, "scratch_reason": self.scratch_reason or PENDING}
        machine = self.training["machine"]
        scratch = {
            key: self.training[key] for key in ("psnr_vs_truth", "seconds", "steps", "curve")
        }
        for key in ("psnr_covered_vs_truth", "worst_view"):  # older documents lack them
            scratch[key] = self.training.get(key)
        scratch["psnr_vs_teacher"] = self.vs_teacher
        if self.vs_teacher is None:
            scratch["psnr_vs_teacher_reason"] = self.vs_teacher_reason
        return {"scratch": scratch | {"peak_memory_mb": machine["peak_memory_mb"]}}

    def _speedup(self) -> dict[str, Any]:
        truth = self.receipt and self.receipt["quality"]["psnr_target_vs_truth"]
        if self.training and truth is not None:
            return speedup(self.receipt, self.training)
        if self.training is None:
            reason = self.scratch_reason or PENDING
        else:
            reason = "there is no conversion" if self.receipt is None else "the images are equal"
        return {
            "speedup_to_scratch_psnr": None,
            "speedup_to_scratch_psnr_reason": reason,
            "speedup_is_lower_bound": None,
        }


def bench_document(config: BenchConfig, cells: list[Cell], about: dict[str, Any]) -> dict[str, Any]:
    """The `bench` document; `speedup_reason` says why there is no speed-up anywhere, else None."""
    reason = config.no_scratch
    for cell in cells:
        cell.scratch_reason = cell.scratch_reason or reason
    return {
        "schema": SCHEMA,
        **about,
        "speedup_reason": reason,
        "cells": [cell.entry() | _beside_ours(cell, cells) for cell in cells],
    }


def _beside_ours(cell: Cell, cells: list[Cell]) -> dict[str, Any]:
    """Seconds in which our own recipe was as good as `cell`, where that is of another recipe."""
    ours = [
        c for c in cells if (c.teacher, c.target, c.recipe) == (cell.teacher, cell.target, DEFAULT)
    ]
    if cell.recipe == DEFAULT or not ours:
        return {}
    key = "fast_seconds_to_psnr"
    if not (cell.receipt and ours[0].receipt):
        return {key: None, f"{key}_reason": "one of the two has no result"}
    wanted = cell.receipt["quality"]["psnr_target_vs_source"]
    found = time_to_reach(wanted, conversion_curve(ours[0].receipt))
    return {key: found} if found is not None else {key: None, f"{key}_reason": "never reached"}

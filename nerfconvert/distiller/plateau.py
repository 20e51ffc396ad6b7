"""Plateau: when a stage has learnt what it can."""

from __future__ import annotations

from dataclasses import dataclass

FLAT = 0.03  # relative gain between two looks below which a stage has converged


@dataclass
class Plateau:
    """Says when a held-out error has stopped falling: two looks in a row with little gain."""

    best: float = float("inf")
    flat_looks: int = 0

    def look(self, error: float) -> bool:
        self.flat_looks = 0 if error < self.best * (1 - FLAT) else self.flat_looks + 1
        self.best = min(self.best, error)
        return self.flat_looks >= 2

"""Fixtures of the distiller's tests."""

from __future__ import annotations

import math

import pytest

from nerfconvert.distiller import distill


@pytest.fixture(autouse=True)
def _stop_between_steps(monkeypatch):
    """Tests count how often they are asked whether to stop: once a step, never during the start."""
    monkeypatch.setattr(distill, "REPORT_EVERY", math.inf)

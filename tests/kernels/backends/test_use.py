"""Which accelerator runs in place of our kernels, and when none can."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from nerfconvert.errors import BackendError, UnknownNameError
from nerfconvert.kernels import KERNELS, backend
from nerfconvert.kernels.accelerators import ACCELERATORS, use_accelerator

from .grids import CPU


def test_foreign_kernels_run_where_they_can(monkeypatch):
    """In place of ours for float32 on a device; not on the CPU, in float64, or after the block."""
    asked = []
    arguments = KERNELS["hash_encode"].example(torch.Generator(), CPU, torch.float32)
    mine = {"hash_encode": lambda *given: asked.append(given)}
    with backend.use_kernels("mine", mine):
        assert backend.backend_info()["foreign"] == "mine"
        KERNELS["hash_encode"].fast(*arguments)
        assert not asked
        away = [x.to("meta") for x in arguments]
        assert backend.foreign("hash_encode", *away) is None
        assert len(asked) == 1
        assert backend.foreign("hash_encode", away[0].double()) is None
        assert backend.foreign("march", *away) is None
    assert backend.foreign("hash_encode", *away) is None
    assert len(asked) == 1
    assert backend.backend_info()["foreign"] is None


@pytest.mark.parametrize("name", ["tcnn", "nerfacc"])
def test_an_absent_package_is_named(name, monkeypatch):
    find = importlib.util.find_spec
    package = ACCELERATORS[name].package
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == package else find(n))
    told = rf"{package}, which is not installed: .*pip install"
    with pytest.raises(BackendError, match=told), use_accelerator(name, torch.device("cuda")):
        pass


def test_accelerators_need_cuda(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    told = "CUDA only, got --device cpu"
    for name in ACCELERATORS:
        with pytest.raises(BackendError, match=told), use_accelerator(name, CPU):
            pass


def test_an_unknown_backend():
    with pytest.raises(UnknownNameError, match="did you mean 'tcnn'"), use_accelerator("tcn", CPU):
        pass

"""Which backend runs a kernel, and when one cannot."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from nerfconvert.errors import BackendError, UnknownNameError
from nerfconvert.kernels import KERNELS, dispatch
from nerfconvert.kernels.backends import BACKENDS
from nerfconvert.kernels.backends.backend import Backend
from nerfconvert.kernels.dispatch import backend_info, use_backend

from .grids import CPU


def test_every_backend_bears_its_name_and_runs_kernels():
    for name, backend in BACKENDS.items():
        assert backend.name == name
        assert set(backend.implementations) <= set(KERNELS)
        assert bool(backend.package) == bool(backend.install) == (backend.probe is not None)
    for name in ("native", "reference"):
        assert set(BACKENDS[name].implementations) == set(KERNELS)


def test_a_backend_of_cuda_runs_where_it_can(monkeypatch):
    """In place of ours for float32 on a device; not on the CPU, in float64, or after the block."""
    asked = []
    arguments = KERNELS["hash_encode"].example(torch.Generator(), CPU, torch.float32)
    implementations = {"hash_encode": lambda *given: asked.append(given)}
    mine = Backend(name="mine", implementations=implementations, cuda_only=True)
    monkeypatch.setattr(dispatch, "BACKENDS", {**BACKENDS, "mine": mine})
    with use_backend("mine"):
        assert backend_info()["backend"] == "mine"
        KERNELS["hash_encode"].fast(*arguments)
        assert not asked
        away = [x.to("meta") for x in arguments]
        assert mine.run("hash_encode", away) is None
        assert len(asked) == 1
        assert mine.run("hash_encode", [away[0].double()]) is None
        assert mine.run("march", away) is None
        assert len(asked) == 1
    assert backend_info()["backend"] is None


def test_what_a_backend_cannot_compute_runs_through_the_one_around(monkeypatch):
    names = "inner", "outer"
    table = {
        name: Backend(name=name, implementations={"march": lambda x, name=name: run(name)})
        for name in names
    }
    ran, able = [], set(names)

    def run(name: str) -> str | None:
        ran.append(name)
        return name if name in able else None

    monkeypatch.setattr(dispatch, "BACKENDS", {**BACKENDS, **table})
    with use_backend("outer"), use_backend("inner"):
        assert dispatch.dispatch("march", torch.zeros(1)) == "inner"
        able.discard("inner")
        assert dispatch.dispatch("march", torch.zeros(1)) == "outer"
    assert ran == ["inner", "inner", "outer"]


@pytest.mark.parametrize("name", ["tcnn", "nerfacc"])
def test_an_absent_package_is_named(name, monkeypatch):
    find = importlib.util.find_spec
    package = BACKENDS[name].package
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == package else find(n))
    told = rf"{package}, which is not installed: .*pip install"
    with pytest.raises(BackendError, match=told), use_backend(name, torch.device("cuda")):
        pass


def test_backends_that_need_cuda(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    told = "CUDA only, got device='cpu'"
    for name in ("half", "nerfacc", "tcnn"):
        with pytest.raises(BackendError, match=told), use_backend(name, CPU):
            pass


def test_an_unknown_backend():
    with pytest.raises(UnknownNameError, match="did you mean 'tcnn'"), use_backend("tcn", CPU):
        pass

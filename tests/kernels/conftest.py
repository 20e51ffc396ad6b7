"""Fixtures of the kernel tests."""

from __future__ import annotations

import os

import pytest

from nerfconvert.kernels import KERNELS
from nerfconvert.kernels.library import load_library


@pytest.fixture(scope="session")
def compiled():
    """Skips where the kernels are not compiled, unless the environment says that they must be."""
    demanded = os.environ.get("NERFCONVERT_REQUIRE_NATIVE") == "1"
    if load_library("cpu") is None and not demanded:
        pytest.skip("the kernels are not compiled here")


@pytest.fixture(params=list(KERNELS))
def kernel(request):
    return KERNELS[request.param]

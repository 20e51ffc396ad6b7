"""march_wave: waves one after the other are the march."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nerfconvert.kernels.dispatch import use_backend
from nerfconvert.kernels.march import MARCH, MAX_LATTICE, march
from nerfconvert.kernels.march_wave import march_wave, march_wave_reference


def scene(seed: int, rays: int = 40) -> tuple:
    return MARCH.sized(torch.Generator().manual_seed(seed), rays)


def in_waves(arguments: tuple, most: int) -> list[list[float]]:
    """The samples of each ray, gathered wave by wave."""
    found = [[] for _ in arguments[0]]
    first = torch.zeros(len(arguments[0]), dtype=torch.int64)
    while bool((first < MAX_LATTICE).any()):
        starts, rays, offsets, following = march_wave(*arguments, first, most)
        assert bool((following > first).logical_or(first == MAX_LATTICE).all())
        for ray, (begin, end) in enumerate(itertools.pairwise(offsets.tolist())):
            assert end - begin <= most
            assert bool((rays[begin:end] == ray).all())
            found[ray] += starts[begin:end].tolist()
        first = following
    return found


@pytest.mark.parametrize("most", [1, 4, 500])
def test_waves_are_the_march(backend, most):
    arguments = scene(5)
    t_starts, _, offsets = march(*arguments)
    assert len(t_starts) > 100
    parts = [t_starts[a:b].tolist() for a, b in itertools.pairwise(offsets)]
    assert in_waves(arguments, most) == parts


@pytest.mark.usefixtures("compiled")
@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), most=st.integers(1, 20), begin=st.integers(-2, 900))
def test_native_is_bit_equal_to_reference(seed, most, begin):
    """From anywhere on the lattice, also where the ray is not yet in the box."""
    arguments = scene(seed, rays=24)
    first = torch.full((24,), begin)
    with use_backend("native"):
        fast = march_wave(*arguments, first, most)
    for got, want in zip(fast, march_wave_reference(*arguments, first, most), strict=True):
        assert torch.equal(got, want)


def test_a_ray_that_ended_stays_so(backend):
    first = torch.full((40,), MAX_LATTICE)
    starts, rays, offsets, following = march_wave(*scene(0), first, 3)
    assert len(starts) == len(rays) == 0
    assert not offsets.any()
    assert torch.equal(following, first)


@pytest.mark.parametrize(
    ("first", "most", "message"),
    [
        (torch.zeros(3, dtype=torch.int64), 4, "first must be"),
        (torch.zeros(40), 4, "first must be torch.int64"),
        (torch.zeros(40, dtype=torch.int64), 0, "most must be at least 1, got 0"),
    ],
)
def test_wrong_arguments(first, most, message):
    with pytest.raises(ValueError, match=message):
        march_wave(*scene(0), first, most)

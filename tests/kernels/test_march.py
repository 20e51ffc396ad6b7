"""march: a dense scan in exact arithmetic, closed forms, and rays that do not behave."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nerfconvert.kernels.backend import use_backend
from nerfconvert.kernels.march import march, march_reference
from nerfconvert.volume import OccupancyGrid

BOX = torch.tensor([-1.0, -1.0, -1.0]), torch.tensor([1.0, 1.0, 1.0])


def grid_of(dense: torch.Tensor) -> torch.Tensor:
    grid = OccupancyGrid(dense.shape[0])
    grid.assign(dense)
    return grid.words


def one_ray(origin, direction, words, step, near=0.0, far=1e6, box=BOX):
    rays = torch.tensor([origin]), torch.nn.functional.normalize(torch.tensor([direction]), dim=-1)
    return march(*rays, torch.tensor([near]), torch.tensor([far]), *box, words, step)


def dense_scan(origin, direction, near, far, dense, step) -> list[float]:
    """Every lattice point of one ray, asked one by one (box -1 to 1), in Python's doubles."""
    r = dense.shape[0]
    kept, k = [], 0
    while (middle := near + k * step + step / 2) < min(far, 12.0):
        position = [(o + d * middle + 1) / 2 * r for o, d in zip(origin, direction, strict=True)]
        if all(0 <= p <= r for p in position):
            x, y, z = (min(int(p), r - 1) for p in position)
            if dense[x, y, z]:
                kept.append(near + k * step)
        k += 1
    return kept


def test_against_dense_scan(backend):
    generator = torch.Generator().manual_seed(3)
    dense = torch.rand(16, 16, 16, generator=generator) < 0.15
    dense &= (
        (torch.rand(4, 4, 4, generator=generator) < 0.5)
        .repeat_interleave(4, 0)
        .repeat_interleave(4, 1)
        .repeat_interleave(4, 2)
    )
    origins = (torch.rand(60, 3, generator=generator, dtype=torch.float64) - 0.5) * 6
    aim = torch.rand(60, 3, generator=generator, dtype=torch.float64) * 2 - 1
    directions = torch.nn.functional.normalize(aim - origins, dim=-1)
    near, far = origins.new_full((60,), 0.1), origins.new_full((60,), 5.0)
    box = [corner.double() for corner in BOX]
    t, rays, offsets = march(origins, directions, near, far, *box, grid_of(dense), 0.037)
    assert offsets[-1] == len(t) > 200
    for i in range(60):
        want = dense_scan(origins[i].tolist(), directions[i].tolist(), 0.1, 5.0, dense, 0.037)
        mine = slice(int(offsets[i]), int(offsets[i + 1]))
        assert t[mine].tolist() == pytest.approx(want, abs=1e-12)
        assert bool((rays[mine] == i).all())


def test_full_grid_closed_form(backend):
    """A ray along x through a full box from t = 1 to t = 3: midpoints in [1, 3]."""
    words = grid_of(torch.ones(8, 8, 8, dtype=torch.bool))
    t, _, offsets = one_ray([-2.0, 0.1, 0.2], [1.0, 0.0, 0.0], words, 0.25)
    assert t.tolist() == [1.0 + 0.25 * k for k in range(8)]
    assert offsets.tolist() == [0, 8]


def test_far_is_exclusive_at_midpoints(backend):
    words = grid_of(torch.ones(4, 4, 4, dtype=torch.bool))
    t, *_ = one_ray([-2.0, 0.0, 0.0], [1.0, 0.0, 0.0], words, 0.5, far=2.25)
    assert t.tolist() == [1.0, 1.5]  # the next midpoint is 2.25, not before far


@pytest.mark.parametrize("direction", [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [1e-9, 1.0, 0.0]])
def test_axis_parallel_rays(backend, direction):
    dense = torch.zeros(16, 16, 16, dtype=torch.bool)
    dense[8, 8, 8] = True
    words = grid_of(dense)
    cell = torch.tensor([0.06, 0.06, 0.06])
    origin = (cell - 3 * torch.tensor(direction)).tolist()
    t, *_ = one_ray(origin, direction, words, 0.01)
    assert 11 <= len(t) <= 13  # a cell is 0.125 long
    assert abs(float(t.mean()) + 0.005 - 3.0) < 0.07


@pytest.mark.parametrize(
    ("near", "far"), [(2.0, 2.0), (3.0, 1.0), (math.nan, 5.0), (0.0, math.nan), (math.inf, 1e6)]
)
def test_empty_intervals(backend, near, far):
    words = grid_of(torch.ones(4, 4, 4, dtype=torch.bool))
    t, _, offsets = one_ray([-2.0, 0.0, 0.0], [1.0, 0.0, 0.0], words, 0.1, near, far)
    assert len(t) == 0
    assert offsets.tolist() == [0, 0]


def test_misses_and_looking_away(backend):
    words = grid_of(torch.ones(4, 4, 4, dtype=torch.bool))
    for origin, direction in (([-2.0, 3, 0], [1.0, 0, 0]), ([2.0, 0, 0], [1.0, 0, 0])):
        assert len(one_ray(origin, direction, words, 0.1)[0]) == 0


def test_infinite_directions_end():
    with use_backend("native"):
        words = grid_of(torch.zeros(4, 4, 4, dtype=torch.bool))
        origins = torch.zeros(2, 3)
        directions = torch.tensor([[math.nan, 0, 1.0], [0.0, 0.0, 0.0]])
        far = torch.full((2,), math.inf)
        t, *_ = march(origins, directions, torch.zeros(2), far, *BOX, words, 0.1)
        assert len(t) == 0


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    step=st.floats(0.004, 0.6),
    fill=st.sampled_from([0.002, 0.05, 0.5, 1.0]),
    bricks=st.integers(1, 6),
)
def test_native_is_bit_equal_to_reference(seed, step, fill, bricks):
    """Random boxes, grids and rays, also from inside and along axes: skipping moves nothing."""
    generator = torch.Generator().manual_seed(seed)
    dense = torch.rand(*(3 * (4 * bricks,)), generator=generator) < fill
    origins = torch.randn(24, 3, generator=generator) * 1.5
    directions = torch.randn(24, 3, generator=generator)
    directions[:6, seed % 3] = 0
    directions[6:9, seed % 3] = 1e-7
    directions = torch.nn.functional.normalize(directions, dim=-1)
    low = -torch.rand(3, generator=generator) - 0.3
    high = torch.rand(3, generator=generator) + 0.2
    near = torch.rand(24, generator=generator) * 0.2
    arguments = origins, directions, near, near + 7, low, high, grid_of(dense), step
    with use_backend("native"):
        fast = march(*arguments)
    for got, want in zip(fast, march_reference(*arguments), strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"words": torch.zeros(7, dtype=torch.int64)}, "words must be"),
        ({"words": torch.zeros(8)}, "words must be torch.int64"),
        ({"step": 0.0}, "step must be positive"),
        ({"step": math.nan}, "step must be positive"),
        ({"step": 1e-50}, "step must be positive and finite in torch.float32"),
        ({"step": 1e39}, "step must be positive and finite in torch.float32"),
        ({"far": torch.zeros(3)}, "far must be"),
        ({"low": torch.zeros(3, dtype=torch.float64)}, "low must be torch.float32"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {
        "origins": torch.zeros(2, 3),
        "directions": torch.zeros(2, 3),
        "near": torch.zeros(2),
        "far": torch.zeros(2),
        "low": BOX[0],
        "high": BOX[1],
        "words": torch.zeros(8, dtype=torch.int64),
        "step": 0.1,
    }
    with pytest.raises(ValueError, match=message):
        march(**arguments | change)

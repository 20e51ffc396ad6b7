"""march: a dense scan in exact arithmetic, closed forms, and rays that do not behave."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nerfconvert.formats import load
from nerfconvert.kernels.dispatch import use_backend
from nerfconvert.kernels.library import load_library
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


def clumps(resolution: int, generator: torch.Generator) -> torch.Tensor:
    """A grid whose cells fill 30 % of a third of its bricks, and leave most blocks empty."""
    bricks, blocks = resolution // 4, (resolution + 15) // 16
    dense = torch.rand(3 * (resolution,), generator=generator) < 0.3
    for size, n, part in ((4, bricks, 0.35 if bricks > 1 else 1), (16, blocks, 0.6)):
        coarse = torch.rand(3 * (n,), generator=generator) < (part if n > 1 else 1)
        for axis in range(3):
            coarse = coarse.repeat_interleave(size, axis)
        dense &= coarse[:resolution, :resolution, :resolution]
    return dense


def rays_of_all_kinds(generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Origins, directions, near and far of 60 rays: 10 of each of six kinds, float64."""
    draw = torch.rand(3, 60, 3, generator=generator, dtype=torch.float64) * 2 - 1
    origins, aim = draw[0] * 3, draw[1]
    origins[:20] /= 3  # 0-9 start inside, 10-19 inside and parallel to an axis
    directions = torch.nn.functional.normalize(aim - origins, dim=-1)
    axes = torch.eye(3, dtype=torch.float64)[torch.arange(20) % 3]
    directions[10:30] = axes * draw[2, 10:30, :1].sign()
    origins[20:30] = draw[0, 20:30] - 2 * directions[20:30]  # outside, parallel to an axis
    directions[30:40] *= -1  # look away
    near, far = origins.new_full((60,), 0.1), origins.new_full((60,), 5.0)
    far[40:50] = near[40:50] + torch.tensor([0.0, -1.0, 0.02, 0.5, 1.0] * 2)  # short or empty
    return origins, directions, near, far


@pytest.mark.parametrize("resolution", [4, 20, 32, 128])
def test_against_dense_scan(backend, resolution):
    generator = torch.Generator().manual_seed(3)
    dense = clumps(resolution, generator)
    origins, directions, near, far = rays_of_all_kinds(generator)
    box = [corner.double() for corner in BOX]
    t, rays, offsets = march(origins, directions, near, far, *box, grid_of(dense), 0.037)
    assert offsets[-1] == len(t) > 50
    assert len(rays.unique()) > 15
    for i in range(60):
        limits = float(near[i]), float(far[i])
        want = dense_scan(origins[i].tolist(), directions[i].tolist(), *limits, dense, 0.037)
        mine = slice(int(offsets[i]), int(offsets[i + 1]))
        assert t[mine].tolist() == pytest.approx(want, abs=1e-12)
        assert bool((rays[mine] == i).all())


@pytest.mark.parametrize("resolution", [4, 32, 128])
@pytest.mark.parametrize("corner", [0, 1])
def test_one_occupied_cell(backend, resolution, corner):
    """The first or last cell of the grid, crossed through its middle along each axis in turn."""
    dense = torch.zeros(3 * (resolution,), dtype=torch.bool)
    dense[(corner * (resolution - 1),) * 3] = True
    size = 2 / resolution
    middle = (1 - size / 2) * (1 if corner else -1)
    for axis in range(3):
        for sign in (1.0, -1.0):
            origin, direction = [middle] * 3, [0.0] * 3
            origin[axis], direction[axis] = middle - 3 * sign, sign
            t, *_ = one_ray(origin, direction, grid_of(dense), size / 8)
            assert len(t) == 8
            assert float(t[0]) == pytest.approx(3 - size / 2, abs=1e-6)


@pytest.mark.parametrize("name", ["ppng_1", "ppng_2"])
def test_grid_of_a_trained_field(shared, name):
    """A 128^3 grid, 3 % full: the reference against the scan, compiled loops bit for bit."""
    field = load(shared / "checkpoints" / "ppng" / "lego" / f"{name}.ppng")
    words, dense = field.occupancy.words, field.occupancy.dense()
    assert dense.shape == (128, 128, 128)
    generator = torch.Generator().manual_seed(1)
    origins, directions, near, far = (x.float() for x in rays_of_all_kinds(generator))
    arguments = origins, directions, near, far, *BOX, words, 2 * math.sqrt(3) / 1024
    t, _, offsets = march_reference(*arguments)
    assert len(t) > 500
    with use_backend("native" if load_library("cpu") else "reference"):
        for got, want in zip(march(*arguments), (t, _, offsets), strict=True):
            assert torch.equal(got, want)
    counts = []
    for ray in range(60):
        single = (origins[ray].tolist(), directions[ray].tolist(), float(near[ray]))
        counts.append(len(dense_scan(*single, float(far[ray]), dense, arguments[-1])))
    # In float32 a midpoint may lie on the other side of a cell's face: a few in a thousand.
    assert (offsets.diff() - torch.tensor(counts)).abs().sum() <= 0.005 * len(t)


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


@pytest.mark.usefixtures("compiled")
def test_infinite_directions_end():
    with use_backend("native"):
        words = grid_of(torch.zeros(4, 4, 4, dtype=torch.bool))
        origins = torch.zeros(2, 3)
        directions = torch.tensor([[math.nan, 0, 1.0], [0.0, 0.0, 0.0]])
        far = torch.full((2,), math.inf)
        t, *_ = march(origins, directions, torch.zeros(2), far, *BOX, words, 0.1)
        assert len(t) == 0


@pytest.mark.parametrize("step", [0.1, 1e-9])
def test_not_a_number_on_one_axis(backend, step):
    """The ray has no samples and ends at once, however long its way to the box would be."""
    words = grid_of(torch.ones(8, 8, 8, dtype=torch.bool))
    nan = math.nan
    directions = torch.tensor([[nan, 1.0, 0.0], [0.0, nan, 1.0], [1.0, 0.0, nan], [nan, nan, nan]])
    origins = torch.tensor([[0.0, 0.5, 0.0]] * 4 + [[nan, 0.0, 0.0], [0.0, math.inf, 0.0]])
    directions = torch.cat([directions, torch.tensor([[0.0, 1.0, 0.0]] * 2)])
    zeros = torch.zeros(6)
    _, _, offsets = march(origins, directions, zeros, zeros + 5, *BOX, words, step)
    assert offsets.tolist() == [0] * 7


@pytest.mark.usefixtures("compiled")
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


@pytest.mark.usefixtures("compiled")
def test_far_away_rays_lose_no_sample():
    """At distance 300 a step of 1e-4 is three roundings of t: the way into the box overshoots."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(200, 3, generator=generator), dim=-1)
    origins = (torch.rand(200, 3, generator=generator) - 0.5) * 0.3 - 300 * directions
    near = torch.rand(200, generator=generator) * 0.1
    box = [corner * 0.37 for corner in BOX]
    words = grid_of(torch.ones(8, 8, 8, dtype=torch.bool))
    arguments = origins, directions, near, near + 299.8, *box, words, 1e-4
    with use_backend("native"):
        fast = march(*arguments)
    assert len(fast[0]) > 100_000
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

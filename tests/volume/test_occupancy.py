import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nerfconvert.volume import Aabb, OccupancyGrid
from nerfconvert.volume.occupancy import covered_cells, dilate, drop_untaught, resampled
from tests.oracles import brick_words


def random_dense(resolution: int, seed: int, fraction: float = 0.3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(resolution, resolution, resolution, generator=generator) < fraction


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 5), st.integers(0, 1000), st.floats(0, 1))
def test_round_trip(bricks, seed, fraction):
    dense = random_dense(4 * bricks, seed, fraction)
    grid = OccupancyGrid(4)
    grid.assign(dense)
    assert grid.resolution == 4 * bricks
    assert torch.equal(grid.dense(), dense)
    assert grid.fraction() == pytest.approx(float(dense.float().mean()))


def test_bricks_are_laid_out_as_documented():
    dense = random_dense(12, 1)
    grid = OccupancyGrid(12)
    grid.assign(dense)
    assert grid.words.tolist() == brick_words(dense.numpy())


def test_query_is_the_dense_cell(generator):
    dense = random_dense(8, 2)
    grid = OccupancyGrid(8)
    grid.assign(dense)
    unit = torch.rand(500, 3, generator=generator) * 1.4 - 0.2
    expected = []
    for point in unit.tolist():
        if not all(0 <= v <= 1 for v in point):
            expected.append(False)
            continue
        expected.append(bool(dense[tuple(min(7, int(v * 8)) for v in point)]))
    assert grid.query(unit).tolist() == expected


def test_starts_full_and_can_be_empty():
    grid = OccupancyGrid(8)
    assert grid.fraction() == 1
    grid.assign(torch.zeros(8, 8, 8, dtype=torch.bool))
    assert grid.fraction() == 0
    assert grid.bounds() is None


def test_bounds_hug_the_occupied_cells():
    dense = torch.zeros(8, 8, 8, dtype=torch.bool)
    dense[2, 3, 4] = dense[5, 3, 4] = True
    grid = OccupancyGrid(8)
    grid.assign(dense)
    low, high = grid.bounds()
    assert low.tolist() == [2 / 8, 3 / 8, 4 / 8]
    assert high.tolist() == [6 / 8, 4 / 8, 5 / 8]


def test_travels_in_the_state_dict():
    first, second = OccupancyGrid(8), OccupancyGrid(8)
    first.assign(random_dense(8, 3))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.dense(), second.dense())


def test_dilation_reaches_all_26_neighbours():
    dense = torch.zeros(8, 8, 8, dtype=torch.bool)
    dense[3, 3, 3] = dense[0, 0, 0] = True
    grown = dilate(dense)
    assert grown[2:5, 2:5, 2:5].all()
    assert grown[:2, :2, :2].all()
    assert int(grown.sum()) == 27 + 8


@pytest.mark.parametrize("resolution", [0, 3, 6, 1028])
def test_refuses_sizes_that_are_not_whole_bricks(resolution):
    with pytest.raises(ValueError, match="multiple of 4"):
        OccupancyGrid(resolution)


@pytest.mark.parametrize("shape", [(4, 4, 8), (6, 6, 6)])
def test_refuses_grids_that_are_no_cube(shape):
    with pytest.raises(ValueError, match="cube"):
        OccupancyGrid(4).assign(torch.zeros(shape, dtype=torch.bool))


BOX, WIDER = Aabb((0, 0, 0), (4, 4, 4)), Aabb((0, 0, 0), (5, 4, 4))


@pytest.mark.parametrize(
    ("low", "high"), [((-0.3, 0.1, -2.0), (3.7, 9.0, 2.0)), ((1.2, 1.3, 1.1), (1.25, 1.33, 1.14))]
)
def test_cells_of_another_box_are_those_that_overlap(low, high):
    """Interval by interval; a target within one cell of the source, too."""
    dense, target = random_dense(8, 5), Aabb(low, high)
    dense[2, 2, 2] = True  # holds the second target
    found = resampled(dense, BOX, target, 12)
    wanted = torch.zeros(12, 12, 12, dtype=torch.bool)
    for cell in dense.nonzero().tolist():
        spans = []
        for d, place in enumerate(cell):
            edge = (high[d] - low[d]) / 12
            begin, end = ((place * 0.5 + shift * 0.5 - low[d]) / edge for shift in (1e-4, 1 - 1e-4))
            spans.append(slice(max(0, math.floor(begin)), max(0, math.floor(end) + 1)))
        wanted[tuple(spans)] = True
    assert wanted.any()
    assert torch.equal(found, wanted)


def test_a_box_of_few_cells_is_seen_through_many(generator):
    """One cell of 128 fills the other box: no loop over what it holds."""
    dense = torch.zeros(128, 128, 128, dtype=torch.bool)
    dense[5, 64, 127] = True
    cell = Aabb((0, 0, 0), (128, 128, 128)).part(
        torch.tensor([4.9, 63.9, 126.9]) / 128, torch.tensor([6.1, 65.1, 128.0]) / 128
    )
    found = resampled(dense, Aabb((0, 0, 0), (128, 128, 128)), cell, 128)
    assert 0.6 < float(found.float().mean()) < 0.8


def test_cells_are_covered_by_the_share_of_their_volume():
    """Occupied from 2 to 4 along x; cells of 1.25, the last one reaches beyond the box."""
    dense = torch.zeros(4, 4, 4, dtype=torch.bool)
    dense[2:] = True
    touched = covered_cells(dense, BOX, WIDER, 4, 0.0)
    assert touched.any((1, 2)).tolist() == [False, True, True, True]
    half = covered_cells(dense, BOX, WIDER, 4, 0.5)
    assert half.any((1, 2)).tolist() == [False, True, True, False]
    most = covered_cells(dense, BOX, WIDER, 4, 0.75)
    assert most.any((1, 2)).tolist() == [False, False, True, False]


class Holder:
    """What has a box and an occupancy."""

    def __init__(self, aabb: Aabb, dense: torch.Tensor):
        self.aabb, self.occupancy = aabb, OccupancyGrid(len(dense))
        self.occupancy.assign(dense)


def test_cells_that_were_taught_by_a_corner_are_dropped():
    dense = torch.zeros(4, 4, 4, dtype=torch.bool)
    dense[1:2] = True  # from 1 to 2 along x: a fifth of the cell before 1.25
    student = Holder(WIDER, torch.ones(4, 4, 4, dtype=torch.bool))
    drop_untaught(student, Holder(BOX, dense))
    assert student.occupancy.dense().any((1, 2)).tolist() == [False, True, False, False]


def test_a_student_keeps_its_cells_where_none_is_covered():
    student = Holder(WIDER, torch.ones(4, 4, 4, dtype=torch.bool))
    drop_untaught(student, Holder(BOX, torch.zeros(4, 4, 4, dtype=torch.bool)))
    assert student.occupancy.dense().all()


def test_distances_are_those_of_a_search(generator):
    grid = OccupancyGrid(16)
    cells = torch.rand(16, 16, 16, generator=generator) < 0.003
    grid.assign(cells)
    places, all_cells = cells.nonzero(), torch.ones_like(cells).nonzero()
    nearest = (all_cells[:, None] - places).abs().amax(2).amin(1).clamp(max=8)
    assert torch.equal(grid.distances().flatten().long(), nearest)
    grid.words.zero_()  # in place
    assert bool((grid.distances() == 8).all())
    grid.assign(~cells)
    assert int(grid.distances().max()) == 1

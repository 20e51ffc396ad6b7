import math

import pytest
import torch

from nerfconvert.volume import Aabb

BOX = Aabb((-1.0, 0.0, 2.0), (1.0, 3.0, 2.5))


def test_unit_cube_round_trip(generator):
    positions = torch.rand(100, 3, generator=generator) * 8 - 4
    unit = BOX.to_unit(positions)
    torch.testing.assert_close(BOX.from_unit(unit), positions)
    inside = ((unit >= 0) & (unit <= 1)).all(-1)
    assert torch.equal(inside, BOX.contains(positions))


def test_corners_belong_to_the_box():
    assert BOX.contains(torch.tensor([BOX.low, BOX.high])).all()
    assert not BOX.contains(torch.tensor([[0.0, 1.0, 2.6]])).any()


def test_sizes():
    assert BOX.size == (2.0, 3.0, 0.5)
    assert BOX.center == (0.0, 1.5, 2.25)
    assert BOX.diagonal == pytest.approx(math.sqrt(4 + 9 + 0.25))


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ((0, 0, math.nan), (1, 1, 1)),
        ((0, 0, 0), (1, 1, math.inf)),
        ((0, 0), (1, 1)),
        ((0, 0, 0), (1e39, 1, 1)),
    ],
)
def test_refuses_boxes_that_are_none(low, high):
    with pytest.raises(ValueError, match="aabb"):
        Aabb(low, high)


@pytest.mark.parametrize("high", [(1, 1, 0), (1, 1, -1), (1, 1, 1e-46)])
def test_names_a_box_without_volume(high):
    with pytest.raises(ValueError, match=r"aabb has no volume.*got"):
        Aabb((0, 0, 0), high)
    far = [1e9] * 3  # whose float32 are 64 apart
    with pytest.raises(ValueError, match="aabb has no volume"):
        Aabb(far, [1e9 + 1] * 3)


def test_rays_enter_and_leave_on_the_surface(generator):
    origins = torch.randn(200, 3, generator=generator) * 5
    aim = BOX.from_unit(torch.rand(200, 3, generator=generator))
    directions = torch.nn.functional.normalize(aim - origins, dim=-1)
    near, far = BOX.intersect(origins, directions)
    assert (far > near).all()
    outside = ~BOX.contains(origins)
    for distance in (near[outside], far[outside]):
        point = BOX.to_unit(origins[outside] + distance[:, None] * directions[outside])
        to_face = torch.minimum(point.abs(), (1 - point).abs()).amin(-1)
        assert to_face.max() < 1e-4


def test_a_ray_that_misses_has_exit_before_entry():
    near, far = BOX.intersect(torch.tensor([[0.0, 1.0, 10.0]]), torch.tensor([[1.0, 0.0, 0.0]]))
    assert far <= near


def test_a_ray_along_an_axis_is_legal():
    near, far = BOX.intersect(torch.tensor([[0.0, 1.0, -3.0]]), torch.tensor([[0.0, 0.0, 1.0]]))
    torch.testing.assert_close((near.item(), far.item()), (5.0, 5.5))


def test_entry_is_zero_from_inside():
    near, far = BOX.intersect(torch.tensor([[0.0, 1.0, 2.25]]), torch.tensor([[0.0, 1.0, 0.0]]))
    assert near.item() == 0
    assert far.item() == pytest.approx(2.0)

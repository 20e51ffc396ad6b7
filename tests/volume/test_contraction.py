"""Contraction: values by hand, its inverse, and a box that carries one."""

import math

import pytest
import torch

from nerfconvert.volume import Aabb, Contraction, FieldInfo
from nerfconvert.volume.contraction import FARTHEST

BY_HAND = [  # norm, world, contracted: center 0, radius 1
    ("inf", (0.5, -1.0, 0.25), (0.5, -1.0, 0.25)),
    ("inf", (4.0, -2.0, 1.0), (1.75, -0.875, 0.4375)),
    ("inf", (-1e9, 1e9, 0.0), (-2.0, 2.0, 0.0)),
    ("2", (0.0, 0.6, 0.8), (0.0, 0.6, 0.8)),
    ("2", (3.0, 0.0, 4.0), (1.08, 0.0, 1.44)),
]
BOTH = pytest.mark.parametrize("norm", ["inf", "2"])


@pytest.mark.parametrize(("norm", "world", "contracted"), BY_HAND)
def test_values_by_hand(norm, world, contracted):
    world, contracted = (torch.tensor([p], dtype=torch.float64) for p in (world, contracted))
    torch.testing.assert_close(Contraction(norm).contract(world), contracted)


@BOTH
def test_center_and_radius_are_those_of_what_stays(norm):
    moved = Contraction(norm, (1.0, -2.0, 3.0), 0.5)
    world = torch.tensor([[2.5, -2.0, 3.0], [1.2, -1.9, 3.1]], dtype=torch.float64)
    expected = torch.tensor([[1.0 + 0.5 * (2 - 1 / 3), -2.0, 3.0], [1.2, -1.9, 3.1]])
    torch.testing.assert_close(moved.contract(world), expected.double())


@BOTH
def test_expand_is_the_inverse(norm, generator):
    contraction = Contraction(norm, (1.0, -2.0, 3.0), 0.5)
    world = torch.randn(500, 3, generator=generator, dtype=torch.float64).exp() * 3 - 4
    back = contraction.expand(contraction.contract(world))
    torch.testing.assert_close(back, world, rtol=1e-9, atol=1e-9)


@BOTH
def test_what_is_beyond_infinity_comes_to_the_farthest(norm):
    world = Contraction(norm).expand(torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, -7.0]]))
    assert world.isfinite().all()
    assert world.norm(dim=-1).tolist() == pytest.approx([FARTHEST] * 2, rel=1e-4)


@BOTH
def test_the_center_is_no_singularity(norm):
    assert not Contraction(norm).contract(torch.zeros(1, 3)).any()
    positions = torch.zeros(1, 3, requires_grad=True)
    Contraction(norm).contract(positions).sum().backward()
    assert positions.grad.isfinite().all()


def test_a_box_asks_in_the_world_and_lies_in_contracted_space(generator):
    box = Aabb((-2.0,) * 3, (2.0,) * 3, Contraction("inf"))
    world = torch.randn(200, 3, generator=generator, dtype=torch.float64) * 30
    unit = box.to_unit(world)
    assert bool(((unit >= 0) & (unit <= 1)).all() & box.contains(world).all())
    torch.testing.assert_close(box.from_unit(unit), world)
    half = box.part(torch.tensor([0.5, 0.0, 0.0]), torch.ones(3))
    assert (half.low, half.high, half.contraction) == ((0, -2, -2), (2, 2, 2), box.contraction)
    assert torch.equal(half.contains(world), world[:, 0] >= 0)


@pytest.mark.parametrize(("half", "far"), [(6.0, 3 * FARTHEST), (4.5, 6.0), (2.0, 2.0)])
def test_rays_leave_a_contracted_box_where_the_world_does(half, far):
    box = Aabb((-half,) * 3, (half,) * 3, Contraction("inf", radius=3.0))
    ray = torch.zeros(1, 3), torch.tensor([[0.0, 0.0, 1.0]])
    assert [t.item() for t in box.intersect(*ray)] == pytest.approx([0.0, far])


@BOTH
def test_stretch_is_the_slope_outwards(norm, generator):
    contraction = Contraction(norm, (1.0, -2.0, 3.0), 0.5)
    world = torch.randn(50, 3, generator=generator, dtype=torch.float64) * 3
    outwards = (world - torch.tensor(contraction.center)) * 1e-6
    pressed = contraction.contract(world + outwards) - contraction.contract(world)
    slope = outwards.norm(dim=1) / pressed.norm(dim=1)
    torch.testing.assert_close(contraction.stretch(world), slope, rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    "values", [("1",), ("inf", (0, 0, math.nan)), ("inf", (0, 0)), ("2", (0, 0, 0), 0.0)]
)
def test_refuses_what_is_no_contraction(values):
    with pytest.raises(ValueError, match="contraction"):
        Contraction(*values)


def test_refuses_a_radius_beyond_which_no_box_goes():
    far = Contraction("inf", (0, 0, 0), 2e5)
    with pytest.raises(ValueError, match="aabb"):
        Aabb((-4e5, -4e5, -4e5), (4e5, 4e5, 4e5), far)
    assert Aabb((-1e5, -1e5, -1e5), (1e5, 1e5, 1e5), far).contraction is far


def test_a_box_without_one_is_as_before():
    assert FieldInfo(aabb=Aabb((0, 0, 0), (1, 1, 1))).aabb.contraction is None

"""Constants and copies, on a pretended device that counts how often the CPU waits."""

import torch

from nerfconvert.volume import Aabb, Rays, constant, sent
from tests.pretend_cuda import pretend_cuda, waits


def test_plain_copies_and_new_numbers_wait():
    with pretend_cuda() as device:
        for make in (
            lambda: torch.rand(3).to(device),
            lambda: torch.zeros(2, device=device).new_tensor([1.0, 2.0]),
            lambda: torch.tensor([1, 2], device=device),
            lambda: torch.zeros(2, device=device).copy_(torch.ones(2)),
            lambda: torch.zeros(2, device=device).cpu(),
        ):
            waits.clear()
            make()
            assert sum(waits.values()) == 1


def test_what_is_sent_does_not():
    numbers, rays = torch.rand(5), Rays.of(torch.rand(4, 3), torch.rand(4, 3))
    with pretend_cuda() as device:
        waits.clear()
        there, moved = sent(numbers, device), rays.to(device)
        assert there.device == moved.far.device == device
        assert not waits
        assert torch.equal(sent(there, torch.device("cpu")), numbers)
        assert sum(waits.values()) == 1


def test_on_the_cpu_nothing_is_copied():
    numbers = torch.rand(5)
    assert sent(numbers, torch.device("cpu")) is numbers


def test_a_constant_is_made_once_for_each_dtype():
    with pretend_cuda() as device:
        like = torch.zeros(1, device=device)
        waits.clear()
        found = [constant((1.0, 2.5), like) for _ in range(3)]
        assert sum(waits.values()) == 1
        whole = constant((1.0, 2.5), like.double())
        assert whole.dtype == torch.float64
        assert found[0].tolist() == found[2].tolist() == whole.tolist() == [1.0, 2.5]


def test_a_box_makes_its_corners_once():
    box, points = Aabb((-1.0, 0.0, 0.0), (1.0, 2.0, 4.0)), torch.rand(7, 3)
    with pretend_cuda() as device:
        there = sent(points, device)
        box.to_unit(there)
        waits.clear()
        unit = box.to_unit(there)
        assert not waits
        assert torch.equal(unit.cpu(), box.to_unit(points))

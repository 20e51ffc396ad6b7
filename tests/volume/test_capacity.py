"""How much is computed at once, by the memory of a device."""

import pytest
import torch

from nerfconvert.volume import at_once, capacity, in_parts

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("room", "count"), [(0, 100), (799, 100), (1600, 200), (5000, 600), (1 << 40, 700)]
)
def test_whole_times_that_fit(room, count, monkeypatch):
    """Of 8 bytes each; once where nothing fits, seven times at most."""
    monkeypatch.setattr(capacity, "room", lambda device: room)
    assert at_once(100, GPU, each=8, most=7) == count


def test_a_cpu_takes_what_its_caches_hold():
    assert capacity.room(CPU) == 0
    assert at_once(100, CPU, each=1) == 100


@pytest.mark.needs_cuda
def test_a_part_of_a_gpu():
    assert 0 < capacity.room(GPU) < torch.cuda.mem_get_info()[1] / 32


@pytest.mark.parametrize("count", [0, 3, 4, 11])
def test_parts_are_whole_again(count):
    sizes = []

    def product(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        sizes.append(len(x))
        return x * y[:, None]

    x, y = torch.rand(count, 2), torch.rand(count)
    with torch.no_grad():
        assert torch.equal(in_parts(product, 4, x, y), x * y[:, None])
    assert max(sizes) <= 4
    assert sum(sizes) == count


def test_gradients_come_from_one_call():
    x = torch.rand(9, 2, requires_grad=True)
    calls = []
    in_parts(lambda part: calls.append(len(part)) or part * 3, 4, x).sum().backward()
    assert calls == [9]
    assert torch.equal(x.grad, torch.full((9, 2), 3.0))

"""How much is computed at once, by the memory of a device."""

import pytest
import torch

from nerfconvert.volume import at_once, capacity

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

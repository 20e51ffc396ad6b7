"""streams: every use, seed and counter has draws of its own, and has them again."""

from __future__ import annotations

import itertools

import torch

from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.progress import Clock
from nerfconvert.distiller.ray_buffer import RayBuffer
from nerfconvert.distiller.samplers.batches import BatchSampler
from nerfconvert.distiller.streams import stream
from tests.distiller.scene import cameras, teacher

BIG = 1 << 32


def test_no_two_streams_are_alike():
    numbers = [*itertools.product([0, 1, 7, BIG, 7 * BIG, 1_000_003], [-1, 0, 1, 311])]
    streams = [stream(use, *n) for use in ("bank", "seen") for n in numbers]
    first = {tuple(torch.rand(3, generator=g).tolist()) for g in streams}
    assert len(first) == len(streams)


def test_a_stream_repeats():
    draws = [torch.rand(5, generator=stream("bank", 3, 4)) for _ in range(2)]
    assert torch.equal(*draws)


def buffer_of(seed: int) -> RayBuffer:
    config = DistillConfig(seed=seed, memory_mb=64)
    return BatchSampler(teacher(), cameras(), config, Clock(config), 0.01).buffer


def test_buffers_of_two_seeds_ask_other_rays():
    buffers = [buffer_of(seed) for seed in (0, 1, 0)]
    for buffer in buffers:
        buffer.grow()
    first, other, again = (buffer.chunks[0].rays.directions for buffer in buffers)
    assert torch.equal(first, again)
    assert len(first) != len(other) or not torch.equal(first, other)
    held_out = [buffer.held_out(64).positions for buffer in buffers]
    assert torch.equal(held_out[0], held_out[2])
    assert not torch.equal(held_out[0], held_out[1])

"""streams: every use, seed and counter has draws of its own, and has them again."""

from __future__ import annotations

import itertools

import torch

from nerfconvert.distiller.bank import RayBank
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


def test_banks_of_two_seeds_ask_other_rays():
    banks = [RayBank(teacher(), cameras(), 0.01, seed, 64) for seed in (0, 1, 0)]
    for bank in banks:
        bank.grow()
    first, other, again = (bank.lessons[0].rays.directions for bank in banks)
    assert torch.equal(first, again)
    assert len(first) != len(other) or not torch.equal(first, other)
    held_out = [bank.held_out(64).positions for bank in banks]
    assert torch.equal(held_out[0], held_out[2])
    assert not torch.equal(held_out[0], held_out[1])

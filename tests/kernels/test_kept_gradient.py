"""KeptGradient: what look-ups add to it, what they mark, and when it ends."""

from __future__ import annotations

import gc

import pytest
import torch

from nerfconvert.kernels import library
from nerfconvert.kernels.adam_lines import LINE
from nerfconvert.kernels.factor_lookup import PLANE_AXES, factor_lookup
from nerfconvert.kernels.kept_gradient import KeptGradient, kept_gradient

SIZES, WIDTH = (40, 50, 60), 20


@pytest.fixture(autouse=True)
def _compiled():
    if not library.has_function("factor_lookup", torch.zeros(1)):
        pytest.skip("kernels are not compiled: gradients are made anew")


def factors(n_planes: int) -> list[torch.nn.Parameter]:
    torch.manual_seed(1)
    shapes = [tuple(SIZES[a] for a in axes) for axes in PLANE_AXES[:n_planes]]
    shapes += [(size,) for size in reversed(SIZES)]
    return [torch.nn.Parameter(torch.randn(*shape, WIDTH)) for shape in shapes]


def look_up_and_descend(given: list[torch.nn.Parameter], seed: int) -> None:
    unit = 0.3 * torch.rand(700, 3, generator=torch.Generator().manual_seed(seed))
    planes, lines = given[:-3], given[-3:]
    sums, products = factor_lookup(unit, planes, lines, 6)
    (sums.square().sum() + products.square().sum()).backward()


@pytest.mark.parametrize("n_planes", [0, 3])
@pytest.mark.parametrize("threads", [1, 3])
def test_it_is_the_gradient_and_only_touched_lines_are_marked(n_planes, threads):
    mine, theirs = factors(n_planes), factors(n_planes)
    kept, before = [KeptGradient(p) for p in mine], torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        for seed in range(2):  # the second is added to the first
            look_up_and_descend(mine, seed)
            look_up_and_descend(theirs, seed)
    finally:
        torch.set_num_threads(before)
    for p, other, gradient in zip(mine, theirs, kept):
        values, marks = gradient.parts()
        assert p.grad is None
        torch.testing.assert_close(values, other.grad, rtol=1e-5, atol=1e-4)
        numbers = torch.nn.functional.pad(values.flatten(), (0, -values.numel() % LINE))
        touched = numbers.view(-1, LINE).any(1)
        assert not (touched & ~marks.bool()).any()
    for gradient in kept[:n_planes]:
        assert gradient.parts()[1].float().mean() < 0.2


def test_it_ends_with_who_holds_it():
    given = factors(3)
    kept = [KeptGradient(p) for p in given]
    assert not kept[0].used
    look_up_and_descend(given, 0)
    assert kept[0].used
    del kept
    gc.collect()
    assert kept_gradient(given[0]) is None
    look_up_and_descend(given, 0)
    assert all(p.grad is not None for p in given)

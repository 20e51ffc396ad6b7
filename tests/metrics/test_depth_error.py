"""Depth and its error: closed forms of plates, and of contracted space."""

import math

import pytest
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField, Primitive
from nerfconvert.metrics.depth_error import depth_errors
from nerfconvert.metrics.evaluation import Evaluation, Evaluator, Pictures
from nerfconvert.renderer.cameras import Cameras, look_at
from nerfconvert.volume import Aabb, Contraction, FieldInfo, Frustum

BOX = FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1)))
# One camera at (0, 0, 5) that looks down; its 3 pixels a side lie 0.1 apart at distance 1.
ABOVE = Cameras(look_at(torch.tensor([[0.0, 0.0, 5.0]]), torch.zeros(3)), 3, 3, 10.0)
TO_CORNER = math.sqrt(1.02)  # lengths of the corner pixels' rays per unit of height


def plate(top: float, half_width: float = 5.0) -> AnalyticField:
    """Opaque from `top` down, about the middle."""
    body = Primitive(
        kind="box", center=(0, 0, top - 1), size=(half_width, half_width, 1), density=2000.0,
        color=(0, 0, 1), softness=1e-4,
    )  # fmt: skip
    return AnalyticField(AnalyticConfig(primitives=(body,)), BOX)


def seen(field: AnalyticField) -> Pictures:
    return Evaluator(Evaluation(ABOVE, None, 1.0, "a test")).render(field)


def drawn(depth: float, info: FieldInfo = BOX, opacity: float = 1.0) -> Pictures:
    """Pictures of something everywhere at one depth."""
    full = torch.ones(1, 3, 3)
    return Pictures(torch.zeros(1, 3, 3, 3), opacity * full, depth * full, info, 0.1)


def test_depth_is_the_distance_of_a_plate():
    pictures = seen(plate(0.4))
    step = BOX.aabb.diagonal / 1024
    assert pictures.depth[0, 1, 1].item() == pytest.approx(4.6, abs=step)
    assert pictures.depth[0, 0, 0].item() == pytest.approx(4.6 * TO_CORNER, abs=2 * step)
    torch.testing.assert_close(pictures.opacity, torch.ones(1, 3, 3))


def test_depth_is_the_mean_over_weights_not_over_all_light():
    thin = Primitive(kind="box", center=(0, 0, 0.5), size=(5, 5, 0.05), density=5.0,
                     color=(1, 0, 0), softness=1e-4)  # fmt: skip
    field = AnalyticField(AnalyticConfig(primitives=(thin,)), BOX)
    pictures = seen(field)
    assert pictures.opacity[0, 1, 1].item() == pytest.approx(1 - math.exp(-0.5), abs=0.02)
    assert pictures.depth[0, 1, 1].item() == pytest.approx(4.5, abs=0.01)


def test_a_shifted_plate_errs_by_its_shift():
    (error,) = depth_errors(ABOVE, seen(plate(0.1)), seen(plate(0.4)))
    lengths = [math.sqrt(1 + 0.01 * (x * x + y * y)) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    expected = 0.3 * sum(lengths) / 9 / BOX.aabb.diagonal
    assert error == pytest.approx(expected, rel=0.01)


def test_only_what_both_cover_counts():
    """The narrow plate covers the middle pixel alone."""
    narrow, wide = seen(plate(0.4, half_width=0.2)), seen(plate(0.1))
    assert (narrow.opacity > 0.5).sum() == 1
    (error,) = depth_errors(ABOVE, wide, narrow)
    assert error == pytest.approx(0.3 / BOX.aabb.diagonal, rel=0.01)
    (nothing,) = depth_errors(ABOVE, drawn(4.0, opacity=0.4), drawn(4.0))
    assert math.isnan(nothing)


def test_what_is_far_counts_as_in_contracted_space():
    """The middle ray goes down from (0, 0, 5): at depths 7 and 9 it is at heights -2 and -4, which
    contract to -1.5 and -1.75."""
    space = Contraction(norm="inf")
    info = FieldInfo(aabb=Aabb((-2, -2, -2), (2, 2, 2), space))
    middle = torch.zeros(1, 3, 3)
    middle[0, 1, 1] = 1.0
    near, far = (
        Pictures(torch.zeros(1, 3, 3, 3), middle, depth * middle, info, 0.1) for depth in (7.0, 9.0)
    )
    (error,) = depth_errors(ABOVE, far, near)
    assert error == pytest.approx(0.25 / math.dist((-2,) * 3, (2,) * 3), rel=1e-5)


def test_fields_without_common_lengths_have_no_depth_error():
    frustum = Frustum(width=3, height=3, focal=10)
    inside = FieldInfo(aabb=BOX.aabb, frame="ndc", frustum=frustum)
    assert depth_errors(ABOVE, drawn(1.0, inside), drawn(1.0)) is None
    assert depth_errors(ABOVE, drawn(1.0, inside), drawn(1.0, inside)) is not None

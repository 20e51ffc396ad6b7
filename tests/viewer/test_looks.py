import math

import numpy as np
import pytest
import torch

from nerfconvert.renderer.cameras import look_at
from nerfconvert.viewer.looks import MOST, Look


def quaternion(turn: np.ndarray) -> list[float]:
    """w, x, y, z of a rotation matrix, from its eigenvector (Bar-Itzhack 2000)."""
    m = turn
    k = np.array(
        [
            [m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [0, m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2]],
            [0, 0, m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2]],
            [0, 0, 0, m[2, 2] - m[0, 0] - m[1, 1]],
        ]
    )
    _, vectors = np.linalg.eigh(np.triu(k) + np.triu(k, 1).T)
    return vectors[:, -1].tolist()


def test_a_camera_of_the_page_is_one_of_ours():
    pose = look_at(torch.tensor([[2.0, -3.0, 1.5]]), torch.tensor([0.1, 0.2, 0.3]))[0]
    opencv = pose[:3, :3].double().numpy() * np.array([1.0, -1.0, -1.0])
    scaled = [3 * q for q in quaternion(opencv)]
    look = Look.of(scaled, pose[:3, 3].tolist(), math.radians(40), (300, 200))
    assert torch.allclose(look.pose, pose, atol=1e-5)
    cameras = look.cameras(1)
    assert (cameras.width, cameras.height) == (300, 200)
    assert math.isclose(2 * math.atan(100 / cameras.mean_focal), math.radians(40), rel_tol=1e-6)


def test_a_smaller_canvas_has_the_same_field_of_view():
    look = Look.of((1, 0, 0, 0), (0, 0, 0), 1.0, (300, 200))
    small = look.cameras(16)
    assert (small.width, small.height) == (19, 12)
    assert math.isclose(2 * math.atan(6 / small.mean_focal), 1.0, rel_tol=1e-6)
    assert look.cameras(1000).width == 1


def test_a_canvas_is_believed_up_to_a_limit():
    assert Look.of((1, 0, 0, 0), (0, 0, 0), 1.0, (10**9, 200)).width == MOST


@pytest.mark.parametrize(
    ("wxyz", "position", "angle", "size"),
    [
        ((0, 0, 0, 0), (0, 0, 0), 1.0, (8, 8)),
        ((1, 0, 0, math.nan), (0, 0, 0), 1.0, (8, 8)),
        ((1, 0, 0, 0), (0, math.inf, 0), 1.0, (8, 8)),
        ((1, 0, 0), (0, 0, 0), 1.0, (8, 8)),
        ((1, 0, 0, 0), (0, 0, 0), 0.0, (8, 8)),
        ((1, 0, 0, 0), (0, 0, 0), 1.0, (0, 8)),
    ],
)
def test_nonsense_is_refused(wxyz, position, angle, size):
    with pytest.raises(ValueError, match=r"camera|quaternion"):
        Look.of(wxyz, position, angle, size)

"""Teacher rays: on the cameras' own pixels or between cameras, always aimed at the same things."""

import torch

from nerfconvert.distiller.samplers.uniform import draw_rays
from nerfconvert.renderer.cameras import on_circle
from nerfconvert.volume import Aabb

BOX = Aabb((-1, -1, -1), (1, 1, 1))


def test_origins_stay_on_the_cameras_sphere_and_repeat_with_the_seed():
    cameras = on_circle((0.0, 0.0, 0.0), 4.0, 12)
    first = draw_rays(cameras, BOX.center, 500, torch.Generator().manual_seed(1))
    again = draw_rays(cameras, BOX.center, 500, torch.Generator().manual_seed(1))
    assert torch.equal(first.directions, again.directions)
    assert torch.allclose(first.origins.norm(dim=-1), torch.full((500,), 4.0), atol=1e-4)
    assert torch.allclose(first.directions.norm(dim=-1), torch.ones(500), atol=1e-5)


def test_about_half_start_at_a_camera():
    cameras = on_circle((0.0, 0.0, 0.0), 4.0, 12)
    rays = draw_rays(cameras, BOX.center, 2000, torch.Generator().manual_seed(2))
    distance = torch.cdist(rays.origins, cameras.poses[:, :3, 3]).amin(1)
    share = float((distance < 1e-3).float().mean())
    assert 0.45 < share < 0.85

"""The visual hull of a ball: no cell of it is lost, most of the rest is."""

import torch

from nerfconvert.renderer.cameras import Cameras, around
from nerfconvert.renderer.visual_hull import visual_hull
from nerfconvert.volume import Aabb

BOX = Aabb((-1, -1, -1), (1, 1, 1))
CENTER, RADIUS = torch.tensor([0.3, -0.2, 0.1]), 0.3


def views() -> Cameras:
    generator = torch.Generator().manual_seed(3)
    return around((0.0, 0.0, 0.0), (3.0, 3.0), 24, generator, lowest=-1.0, size=(64, 64))


def silhouettes(cameras: Cameras, center=CENTER) -> torch.Tensor:
    """[V, H, W] bool: pixels whose rays pass the ball's center within the radius."""
    shown = []
    for view in range(len(cameras)):
        rays = cameras.view_rays(view)
        offset = center - rays.origins
        along = (offset * rays.directions).sum(-1, keepdim=True)
        shown.append((offset - along * rays.directions).norm(dim=-1) < RADIUS)
    return torch.stack(shown).view(-1, cameras.height, cameras.width)


def cell_distances(resolution: int) -> torch.Tensor:
    """[r, r, r] distance of cell centers from the ball's center."""
    axis = (torch.arange(resolution) + 0.5) / resolution * 2 - 1
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
    return (grid - CENTER).norm(dim=-1)


def test_a_ball_is_kept_and_what_is_around_it_is_not():
    hull = visual_hull(silhouettes(views()), views(), BOX, 32)
    distance = cell_distances(32)
    assert hull[distance < RADIUS].all()
    assert not hull[distance > 2.5 * RADIUS].any()


def test_few_views_that_err_carve_nothing_where_nine_of_ten_must_agree():
    shown = silhouettes(views())
    shown[3:5] = False
    distance = cell_distances(32)
    assert not visual_hull(shown, views(), BOX, 32).any()
    hull = visual_hull(shown, views(), BOX, 32, agreed=0.9)
    assert hull[distance < RADIUS].all()
    assert not hull[distance > 3 * RADIUS].any()


def test_clear_pictures_leave_nothing_and_opaque_ones_everything():
    cameras = views()
    assert not visual_hull(torch.zeros(24, 64, 64, dtype=torch.bool), cameras, BOX, 16).any()
    assert visual_hull(torch.ones(24, 64, 64, dtype=torch.bool), cameras, BOX, 16).all()


def test_what_no_picture_frames_is_kept():
    cameras = views()[:1]
    far = Aabb((-20, -20, -20), (20, 20, 20))
    hull = visual_hull(torch.zeros(1, 64, 64, dtype=torch.bool), cameras, far, 32)
    assert 0.7 < float(hull.float().mean()) < 1  # only a cone before the camera is carved


def test_cameras_within_the_box_carve_nothing_close_to_them():
    wide = Aabb((-4, -4, -4), (4, 4, 4))
    hull = visual_hull(torch.zeros(24, 64, 64, dtype=torch.bool), views(), wide, 16)
    cells = (wide.to_unit(views().poses[:, :3, 3]) * 16).long()
    assert hull[tuple(cells.T)].any()

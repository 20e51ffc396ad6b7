"""TensoRF's forward-facing scenes: a mirrored world, and colors asked along rays of the cube."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nerfconvert.adapters.factorized.cp import CpField
from nerfconvert.adapters.factorized.factorized_config import FactorizedConfig
from nerfconvert.errors import UnsupportedError
from nerfconvert.formats import load, save
from nerfconvert.renderer.image import query, render_camera
from nerfconvert.renderer.scene import read_scene
from nerfconvert.renderer.visibility import estimate_visibility
from nerfconvert.runtime.inputs import with_frustum
from nerfconvert.volume import Aabb, FieldInfo, Samples
from tests.formats.tensorf_program import BOX, answers, made, with_mask
from tests.formats.test_tensorf import EXACT, KINDS, points

MIRROR = torch.tensor([-1.0, 1.0, 1.0])
CUBE = [[-1.5, -1.67, -1.0], [1.5, 1.67, 1.0]]
WIDTH, HEIGHT, FOCAL = 8, 6, 7.0
NDC = {"near_far": [0.0, 1.0]}


@pytest.mark.parametrize("planes", [True, False], ids=["VMSplit", "CP"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[1]}-{len(kind[0])}")
def test_a_field_is_the_mirror_image_of_the_programs(planes, kind, tmp_path):
    counts = {} if planes else {"density": (3,) * 3, "app": (4,) * 3}
    checkpoint = made(planes, kind[1], **counts, **kind[0], **NDC)
    torch.save(checkpoint, tmp_path / "a.th")
    field = load(tmp_path / "a.th").double()
    assert (field.info.frame, field.info.view_directions) == ("ndc", "ndc")
    assert field.info.background == "black"
    positions, directions = points()
    density, rgb = answers(checkpoint, positions, directions)
    features = field.encode((positions * MIRROR).double())
    np.testing.assert_allclose(field.density(features).detach(), density, atol=1e-4)
    found = field.color(features, (directions * MIRROR).double()).detach()
    np.testing.assert_allclose(found, np.clip(rgb, 0, 1), atol=EXACT)


def test_the_mask_is_mirrored_too(tmp_path):
    mask = np.zeros((6, 7, 9), bool)  # [z, y, x]
    mask[2, 3, 1] = True
    torch.save(with_mask(made(**NDC), mask), tmp_path / "a.th")
    field = load(tmp_path / "a.th")
    low, high = torch.tensor(BOX)
    place = low + torch.tensor([1 / 8, 3 / 6, 2 / 5]) * (high - low)
    inside = field.aabb.to_unit(torch.stack([place * MIRROR, place]))
    assert field.occupancy.query(inside).tolist() == [True, False]


def test_what_is_written_is_what_was_read(tmp_path):
    checkpoint = with_mask(made(**NDC), np.random.default_rng(0).random((6, 7, 9)) < 0.3)
    torch.save(checkpoint, tmp_path / "a.th")
    save(load(tmp_path / "a.th"), tmp_path / "b.th")
    again = torch.load(tmp_path / "b.th", weights_only=True)
    assert again["kwargs"]["near_far"] == [0.0, 1.0]
    torch.testing.assert_close(again["kwargs"]["aabb"], checkpoint["kwargs"]["aabb"])
    sizes = [again["kwargs"]["density_n_comp"], again["kwargs"]["appearance_n_comp"]]
    positions, directions = points()
    for found, wanted in zip(
        answers(again, positions, directions), answers(checkpoint, positions, directions)
    ):
        np.testing.assert_allclose(found, wanted, atol=EXACT * wanted.max())
    assert sizes == [[4] * 3, [4] * 3]
    first, second = (load(tmp_path / name) for name in ("a.th", "b.th"))
    assert first.info == second.info
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))


def test_colors_along_rays_of_the_world_are_not_written(tmp_path):
    info = FieldInfo(aabb=Aabb(*CUBE), frame="ndc")
    with pytest.raises(UnsupportedError, match="asked along rays of the world"):
        save(CpField(FactorizedConfig(resolution=6), info), tmp_path / "a.th")


def capture(folder) -> tuple[np.ndarray, np.ndarray]:
    """Writes a capture of three cameras; their poses [3, 3, 4], and the nearest depth of each."""
    draw = np.random.default_rng(1)
    poses = np.zeros((3, 3, 4))
    for pose in poses:
        axes, _ = np.linalg.qr(np.eye(3) + 0.1 * draw.standard_normal((3, 3)))
        axes *= np.sign(np.diag(axes))
        pose[:, :3], pose[:, 3] = axes, 0.2 * draw.standard_normal(3)
    nearest = np.array([1.7, 1.5, 1.9])
    stored = np.concatenate([-poses[..., 1:2], poses[..., :1], poses[..., 2:]], -1)
    sizes = np.tile(np.array([HEIGHT, WIDTH, FOCAL])[:, None], (3, 1, 1))
    rows = np.concatenate([stored, sizes], -1).reshape(3, 15)
    bounds = np.stack([nearest, 9 * nearest], 1)
    np.save(folder / "poses_bounds.npy", np.concatenate([rows, bounds], 1))
    return poses, nearest


def rays_of_the_program(pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Origins and directions [pixels, 3] in the cube, of a length that ends at infinity."""
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    inside = np.stack([(x - WIDTH / 2) / FOCAL, (HEIGHT / 2 - y) / FOCAL, 0 * x - 1], -1)
    d = inside.reshape(-1, 3) @ pose[:, :3].T
    start = pose[:, 3] - (1 + pose[2, 3]) / d[:, 2:] * d  # on the plane z = -1
    slopes = 2 * FOCAL / np.array([WIDTH, HEIGHT])
    origins = np.concatenate([slopes * start[:, :2], -np.ones((len(d), 1))], 1)
    ends = np.concatenate([-slopes * d[:, :2] / d[:, 2:], np.ones((len(d), 1))], 1)
    return origins, ends - origins


def centered(poses: np.ndarray, scale: float) -> np.ndarray:
    """The program's: about the mean pose, whose x axis points to the left."""
    back = poses[:, :, 2].mean(0)
    back /= np.linalg.norm(back)
    left = np.cross(back, poses[:, :, 1].mean(0))
    left /= np.linalg.norm(left)
    axes = np.stack([left, np.cross(left, back), back], 1)
    turned = np.linalg.inv(axes) @ (poses - np.pad(poses[:, :, 3:].mean(0), ((0, 0), (3, 0))))
    turned[..., 3] *= scale
    return turned


def test_a_camera_of_the_capture_sees_what_the_program_shows(tmp_path):
    poses, nearest = capture(tmp_path)
    checkpoint = made(aabb=torch.tensor(CUBE), distance_scale=2.0, **NDC)
    torch.save(checkpoint, tmp_path / "a.th")
    field = load(tmp_path / "a.th")
    field.info = with_frustum(field.info, tmp_path)
    cameras = read_scene(tmp_path, images=False).cameras
    found = render_camera(field, cameras, 1, step=1 / 400).rgb.view(-1, 3)
    own = centered(poses, 1 / (0.75 * nearest.min()))[1]
    origins, ways = rays_of_the_program(own)
    parts = (np.arange(800) + 0.5) / 800
    lengths = np.linalg.norm(ways, axis=1)
    expected = []
    for origin, way, length in zip(origins, ways, lengths):
        places = origin + parts[:, None] * way
        density, rgb = answers(checkpoint, places, np.tile(way / length, (len(parts), 1)))
        low, high = np.array(CUBE)
        density = density * ((places >= low) & (places <= high)).all(1)
        depth = density * length / len(parts)
        weights = -np.expm1(-depth) * np.exp(depth - np.cumsum(depth))
        expected.append(weights @ np.clip(rgb, 0, 1))
    np.testing.assert_allclose(found, expected, atol=4e-3)
    assert np.std(expected, 0).max() > 0.05


def test_view_directions_of_all_that_is_asked_are_those_of_the_cube(tmp_path):
    capture(tmp_path)
    torch.save(made(aabb=torch.tensor(CUBE), **NDC), tmp_path / "a.th")
    field = load(tmp_path / "a.th")
    field.info = with_frustum(field.info, tmp_path)
    cameras = read_scene(tmp_path, images=False).cameras
    rays = field.info.local_rays(cameras.view_rays(0))
    assert torch.equal(rays.view_directions, rays.directions)
    seen = estimate_visibility(field, cameras, 4)
    assert (seen.directions @ rays.directions.T).amax(0).min() > 0.99
    places = torch.tensor([[0.0, 0.0, -0.95]])
    assert seen.transmittance(places).shape == (1, len(seen.directions))
    one = torch.zeros(1, dtype=torch.int64)
    samples = Samples(torch.zeros(1), torch.ones(1), one, torch.tensor([0, *[1] * len(rays)]))
    assert query(field, rays, samples)[1].shape == (1, 3)

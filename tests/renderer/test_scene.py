import json

import cv2
import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError, UsageError
from nerfconvert.renderer.cameras import focal_of, on_circle
from nerfconvert.renderer.scene import fit_within, native_size, read_scene
from tests.conftest import write_transforms

POSES = on_circle((0.0, 0.0, 0.0), 4.0, 9).poses


def rgba(value: int, alpha: int, size: int = 8) -> np.ndarray:
    image = np.full((size, size, 4), value, np.uint8)
    image[..., 3] = alpha
    return image


def test_blends_on_the_background_in_srgb(tmp_path):
    write_transforms(tmp_path, "transforms", POSES[:1], [rgba(100, 51)])
    for background in (0.0, 1.0):
        scene = read_scene(tmp_path, background=background)
        expected = 0.2 * 100 / 255 + 0.8 * background
        torch.testing.assert_close(scene.images, torch.full((1, 8, 8, 3), expected))


def test_channels_are_red_green_blue(tmp_path):
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0] = 255
    write_transforms(tmp_path, "transforms", POSES[:1], [image])
    assert read_scene(tmp_path).images[0, 0, 0].tolist() == [1.0, 0.0, 0.0]


def test_angle_of_view_becomes_focal_length(tmp_path):
    write_transforms(tmp_path, "transforms", POSES[:1], [rgba(0, 255)])
    assert read_scene(tmp_path).cameras.focal == pytest.approx(focal_of(8, 40))


def test_shrinking_averages_premultiplied(tmp_path):
    """A transparent pixel has no color to bleed into its neighbours."""
    image = rgba(255, 255)
    image[:, ::2] = (0, 255, 0, 0)  # green, but invisible
    write_transforms(tmp_path, "transforms", POSES[:1], [image])
    scene = read_scene(tmp_path, resolution=(4, 4), background=0.0)
    assert (scene.cameras.width, scene.cameras.height) == (4, 4)
    torch.testing.assert_close(scene.images, torch.full((1, 4, 4, 3), 0.5))


def test_splits_are_files_where_there_are_files(tmp_path):
    write_transforms(tmp_path, "transforms_train", POSES[:3])
    write_transforms(tmp_path, "transforms_test", POSES[3:5])
    assert len(read_scene(tmp_path, split="train", images=False).cameras) == 3
    assert len(read_scene(tmp_path, split="test", images=False).cameras) == 2


def test_a_single_file_is_cut_without_overlap(tmp_path):
    write_transforms(tmp_path, "transforms", POSES)
    train = read_scene(tmp_path, split="train", images=False)
    test = read_scene(tmp_path, split="test", images=False)
    assert test.names == ("transforms_00.png", "transforms_08.png")
    assert not set(train.names) & set(test.names)
    assert len(train.names) + len(test.names) == 9


def test_views_are_evenly_spaced(tmp_path):
    file = write_transforms(tmp_path, "transforms", POSES)
    names = read_scene(file, views=3, images=False).names
    assert names == ("transforms_00.png", "transforms_04.png", "transforms_08.png")


def test_a_distorted_lens_is_resampled_to_a_centred_pinhole(tmp_path):
    """A photograph of a smooth pattern on a far plane, taken through a lens with distortion."""
    lens = {"fl_x": 60.0, "fl_y": 58.0, "cx": 33.0, "cy": 30.0, "w": 64, "h": 64, "k1": 0.08}
    matrix = np.array([[60.0, 0, 32.5], [0, 58.0, 29.5], [0, 0, 1]])
    pixels = np.stack(np.meshgrid(np.arange(64.0), np.arange(64.0)), -1).reshape(-1, 1, 2)
    seen = cv2.undistortPoints(pixels, matrix, np.array([0.08, 0, 0, 0])).reshape(64, 64, 2)
    photo = np.round(127.5 * (1 + np.sin(4 * seen[..., :1] + 3 * seen[..., 1:]))).astype(np.uint8)
    write_transforms(tmp_path, "transforms", torch.eye(4)[None], [photo.repeat(3, -1)], **lens)
    scene = read_scene(tmp_path)
    rays = scene.cameras.view_rays(0).directions.view(64, 64, 3)
    plane = rays[..., :2] / -rays[..., 2:]
    expected = 0.5 * (1 + torch.sin(4 * plane[..., 0] - 3 * plane[..., 1]))
    assert (scene.images[0, ..., 0] - expected).abs().max() < 0.02


def test_sizes(tmp_path):
    write_transforms(tmp_path, "transforms", POSES, w=30, h=20)
    assert native_size(tmp_path) == (30, 20)
    assert fit_within((800, 600), 200) == (200, 150)
    assert fit_within((20, 10), 200) == (20, 10)


def test_refuses_to_stretch(tmp_path):
    write_transforms(tmp_path, "transforms", POSES, w=30, h=20)
    with pytest.raises(UsageError, match="stretch"):
        read_scene(tmp_path, resolution=(15, 15), images=False)


def break_document(document: dict, damage: str) -> None:
    frame = document["frames"][0]
    match damage:
        case "no frames":
            document["frames"] = []
        case "frames missing":
            del document["frames"]
        case "pose missing":
            del frame["transform_matrix"]
        case "pose not finite":
            frame["transform_matrix"][0][3] = float("nan")
        case "pose too small":
            frame["transform_matrix"] = [[1, 0], [0, 1]]
        case "pose of words":
            frame["transform_matrix"] = "identity"
        case "pose singular":
            frame["transform_matrix"] = [[0] * 4] * 4
        case "no area":
            document["w"] = 0
        case "no focal":
            del document["camera_angle_x"]
        case "focal of words":
            document["camera_angle_x"] = "wide"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no frames", "at least one"),
        ("frames missing", "at least one"),
        ("pose missing", "transform_matrix"),
        ("pose not finite", "NaN"),
        ("pose too small", "4x4"),
        ("pose of words", "pose of"),
        ("pose singular", "determinant"),
        ("no area", "at least 1x1"),
        ("no focal", "fl_x"),
        ("focal of words", "finite number"),
    ],
)
def test_damage_is_named(tmp_path, damage, message):
    file = write_transforms(tmp_path, "transforms", POSES[:2], w=8, h=8)
    document = json.loads(file.read_text())
    break_document(document, damage)
    file.write_text(json.dumps(document))
    with pytest.raises(FormatError, match=message) as caught:
        read_scene(file, images=False)
    assert str(file) in str(caught.value)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(FormatError, match="no such file"):
        read_scene(tmp_path / "nowhere")
    with pytest.raises(FormatError, match="no transforms"):
        read_scene(tmp_path)
    (tmp_path / "transforms.json").write_text("not json")
    with pytest.raises(FormatError, match="not a JSON file"):
        read_scene(tmp_path)


def test_images_that_lie(tmp_path):
    write_transforms(tmp_path, "transforms", POSES[:2], [rgba(1, 255), rgba(1, 255, size=6)])
    with pytest.raises(FormatError, match="6x6, expected 8x8"):
        read_scene(tmp_path)
    (tmp_path / "transforms_01.png").write_bytes(b"nothing")
    with pytest.raises(FormatError, match="decoded"):
        read_scene(tmp_path)
    (tmp_path / "transforms_01.png").unlink()
    with pytest.raises(FormatError, match="missing"):
        read_scene(tmp_path)


def test_real_data(shared):
    lego = read_scene(shared / "data/nerf_synthetic/lego", split="test", views=4)
    assert lego.images.shape == (4, 400, 400, 3)
    assert lego.cameras.focal == pytest.approx(555.555, abs=1e-2)
    assert lego.images[:, 0, 0].min() == 1  # white corners
    fox = read_scene(shared / "data/fox", split="test", views=2, resolution=(135, 240))
    assert fox.images.shape == (2, 240, 135, 3)


def test_without_a_background_alpha_is_kept_and_color_multiplied_by_it(tmp_path):
    write_transforms(tmp_path, "transforms", POSES[:1], [rgba(255, 51)], aabb_scale=4)
    scene = read_scene(tmp_path, background=None)
    torch.testing.assert_close(scene.images, torch.full((1, 8, 8, 4), 0.2))
    assert scene.aabb_scale == 4


def test_alpha_that_hides_nothing_is_dropped_and_a_missing_one_is_opaque(tmp_path):
    opaque, half, without = rgba(9, 255), rgba(9, 128), np.full((8, 8, 3), 9, np.uint8)
    write_transforms(tmp_path, "transforms", POSES[:2], [opaque, without])
    assert read_scene(tmp_path, background=None).images.shape == (2, 8, 8, 3)
    write_transforms(tmp_path, "transforms", POSES[:2], [half, without])
    alpha = read_scene(tmp_path, background=None).images[:, 0, 0, 3]
    assert alpha.tolist() == pytest.approx([128 / 255, 1.0])

import time

import pytest
import torch

from nerfconvert.formats import load
from nerfconvert.metrics.evaluation import (
    Evaluator,
    held_out,
    render_view,
    settled_median,
    teaching_cameras,
)
from nerfconvert.options.groups import Views
from nerfconvert.renderer.camera_paths import Orbit, camera_path, read_orbit
from nerfconvert.renderer.cameras import on_circle
from nerfconvert.renderer.framing import shown_ball
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.volume.nan_masked import NanMaskedField
from tests.conftest import write_transforms


@pytest.fixture
def teacher(scenes):
    field = load(scenes / "blobs.toml")
    build_occupancy(field, resolution=32)
    return field


def test_drawn_views_never_share_a_distance_and_frame_alike(teacher):
    center = torch.tensor(shown_ball(teacher).center)
    views = Views(eval_views=50)
    taught = (teaching_cameras(teacher, views, 0).poses[:, :3, 3] - center).norm(dim=-1)
    held = (held_out(teacher, views, 0).cameras.poses[:, :3, 3] - center).norm(dim=-1)
    nearer, farther = taught < held.min(), taught > held.max()
    assert (nearer | farther).all()
    assert nearer.sum() == farther.sum() == len(taught) / 2


def test_seeds_choose_the_views(teacher):
    poses = [held_out(teacher, Views(), seed).cameras.poses for seed in (0, 0, 1)]
    assert torch.equal(poses[0], poses[1])
    assert not torch.equal(poses[0], poses[2])


def test_the_splits_of_data_stay_apart(teacher, tmp_path):
    file = write_transforms(tmp_path, "transforms", on_circle((0, 0, 0), 4.0, 17).poses, w=20, h=20)
    views = Views(cameras=file)
    taught = teaching_cameras(teacher, views, 0).poses
    held = held_out(teacher, views, 0).cameras.poses
    assert (len(taught), len(held)) == (14, 3)
    distance = (taught[:, None] - held[None]).flatten(2).norm(dim=-1)
    assert distance.min() > 0.1


def test_the_protocol_names_background_and_cameras(teacher):
    protocol = held_out(teacher, Views(background="black"), 3).protocol
    assert protocol["background"] == "black"
    assert "seed 3" in protocol["cameras"]
    assert held_out(teacher, Views(), 3).protocol["background"] == "white"


def test_an_album_counts_its_seconds(teacher):
    evaluator = Evaluator(held_out(teacher, Views(eval_views=2, resolution="12x8"), 0))
    pictures = evaluator.render(teacher)
    assert pictures.images.shape == (2, 8, 12, 3)
    assert evaluator.seconds > 0


def test_the_orbit_of_the_project_is_the_default(scenes):
    assert read_orbit(scenes / "orbit.toml") == Orbit()


def test_every_frame_of_the_orbit_sees_the_middle(teacher):
    cameras = camera_path(teacher, None, 6, (32, 32))
    center = torch.tensor(shown_ball(teacher).center)
    forward = -cameras.poses[:, :3, 2]
    toward = torch.nn.functional.normalize(center - cameras.poses[:, :3, 3], dim=-1)
    torch.testing.assert_close(forward, toward)


def test_the_first_frames_do_not_count_where_enough_follow():
    assert settled_median([90.0, 50.0, 1.0, 2.0, 3.0]) == 2.0
    assert settled_median([90.0, 50.0, 1.0]) == 50.0


class Cold(NanMaskedField):
    """A field that has to warm up: its first answer takes `nap` seconds longer."""

    def __init__(self, field, nap: float):
        super().__init__(field)
        self.nap = nap

    def density_first(self, positions):
        time.sleep(self.nap)
        self.nap = 0.0
        return super().density_first(positions)


@pytest.mark.parametrize(("views", "nap", "frames"), [(1, 1.0, 5), (3, 1.0, 5), (1, 2.1, 1)])
def test_few_views_are_timed_until_the_field_is_warm(teacher, views, nap, frames):
    """But only as long as that takes little time."""
    evaluation = held_out(teacher, Views(eval_views=views, resolution="8"), 0)
    field, warm, heard = Cold(teacher, nap), NanMaskedField(teacher), []
    evaluator = Evaluator(evaluation)
    pictures = evaluator.render(field, lambda view, seconds: heard.append(view))
    assert heard == list(range(views)) == list(range(len(pictures.images)))
    assert (pictures.seconds_per_frame < 0.5) == (frames > 1)
    assert evaluator.seconds > nap
    for frame in range(frames):
        render_view(warm, evaluation, frame % views)
    assert field.asked == warm.asked


def test_a_median_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        settled_median([])

"""Training from images: alpha, and a student that empties itself."""

import logging

import pytest
import torch

from nerfconvert.adapters.hashgrid import HashgridField
from nerfconvert.distiller import live_occupancy as live
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.emptied import FIRST_LOOK, Emptied
from nerfconvert.distiller.train_images import FIRST_PRUNING, train_images
from nerfconvert.distiller.trainer import Hooks
from nerfconvert.renderer.image import render_image, render_rays
from tests.distiller import scene


@pytest.fixture(scope="module")
def rgba():
    """[24, 24, 24, 4] views of the closed-form box, color multiplied by alpha."""
    field, views = scene.teacher(), scene.cameras(24)
    seen = [render_rays(field, views.view_rays(i), background=0.0) for i in range(24)]
    return torch.stack([torch.cat([s.rgb, s.opacity[:, None]], 1).view(24, 24, 4) for s in seen])


def test_a_thing_as_white_as_the_background_is_learned_from_alpha(rgba):
    white = torch.cat([rgba[..., 3:].expand(-1, -1, -1, 3), rgba[..., 3:]], -1)
    field, views = scene.student(), scene.cameras(24)
    train_images(field, views, white, DistillConfig(seconds=None, steps=100), background=1.0)
    seen = torch.stack([render_image(field, views, i, background=0.0) for i in range(4)])
    assert float((seen - white[:4, ..., :3]).square().mean()) < 0.02


def test_alpha_carves_the_occupancy_before_the_first_step(rgba):
    field, views = scene.student(), scene.cameras(24)
    train_images(field, views, rgba, DistillConfig(seconds=None, steps=1))
    assert field.occupancy.fraction() < 0.4
    assert field.occupancy.query(torch.tensor([[0.55, 0.5, 0.5]])).all()


def test_density_begins_where_opaque_pictures_on_white_show_something(rgba):
    on_white = rgba[..., :3] + 1 - rgba[..., 3:]
    fields, views = [scene.student() for _ in range(2)], scene.cameras(24)
    for field, background in zip(fields, (1.0, 0.5), strict=True):
        config = DistillConfig(seconds=None, steps=1)
        train_images(field, views, on_white, config, background=background)
    assert fields[0].occupancy.fraction() < 0.4
    assert fields[0].occupancy.query(torch.tensor([[0.55, 0.5, 0.5]])).all()
    assert fields[1].occupancy.fraction() == 1  # there is no background in these pictures


def test_a_growing_hull_takes_in_what_is_next_to_density():
    """Here density is everywhere: one cell a pruning, in all directions."""
    hull = torch.zeros((live.RESOLUTION,) * 3, dtype=torch.bool)
    hull[30:34, 30:34, 30:34] = True
    occupancy = live.LiveOccupancy(Dense(scene.TINY, scene.INFO), hull, grows=True)
    for number in range(2 * live.PARTS):
        occupancy.refresh(number, prune=number in (live.PARTS - 1, 2 * live.PARTS - 1))
    grown = torch.zeros_like(hull)
    grown[28:36, 28:36, 28:36] = True
    assert torch.equal(occupancy.hull, grown)
    assert torch.equal(occupancy.student.occupancy.dense(), grown)


class Dense(HashgridField):
    """Is opaque everywhere."""

    def density(self, features):
        return torch.full_like(features[:, 0], 1000.0)


def test_silhouettes_that_agree_on_nothing_carve_nothing(rgba, caplog):
    field, views = scene.student(), scene.cameras(24)
    nothing = torch.zeros_like(rgba)
    train_images(field, views, nothing, DistillConfig(seconds=None, steps=1))
    assert field.occupancy.fraction() == 1
    assert "silhouettes" in caplog.text


class Vanishing(HashgridField):
    """Has no density until it is made a second time."""

    made = 0

    def __init__(self, config, info):
        super().__init__(config, info)
        type(self).made += 1

    def density(self, features):
        density = super().density(features)
        return density * 0 if self.made == 1 else density


def test_a_student_that_shows_nothing_begins_anew_once(rgba, caplog):
    torch.manual_seed(0)
    field, views = Vanishing(scene.TINY, scene.INFO), scene.cameras(24)
    on_black = rgba[..., :3]
    config = DistillConfig(seconds=None, steps=3 * FIRST_LOOK)
    with caplog.at_level(logging.WARNING):
        train_images(field, views, on_black, config, background=0.0)
    assert caplog.text.count("emptied itself") == 1
    assert f"step {FIRST_LOOK}" in caplog.text
    seen = torch.stack([render_image(field, views, i, background=0.0) for i in range(4)])
    error = float((seen - on_black[:4]).square().mean())
    assert error < float(on_black[:4].square().mean()) / 4


def test_a_student_is_empty_by_what_the_pixels_ask_for():
    emptied = Emptied(torch.device("cpu"))
    for _ in range(100):
        emptied.learn(torch.full((8,), 0.001), torch.full((8,), 0.02))
    assert not emptied.looks_so(FIRST_LOOK)
    for _ in range(100):
        emptied.learn(torch.full((8,), 0.0001), torch.full((8,), 0.02))
    assert emptied.looks_so(FIRST_LOOK)
    assert not emptied.looks_so(FIRST_LOOK - 1)


def test_hidden_cells_are_never_occupied_again():
    hull = torch.zeros((live.RESOLUTION,) * 3, dtype=torch.bool)
    hull[:8] = True
    field = scene.student()
    occupancy = live.LiveOccupancy(field, hull)
    occupancy.begin()
    for number in range(live.PARTS):
        occupancy.refresh(number, prune=True)
    known = field.occupancy.dense()
    assert known.any()
    assert not (known & ~hull).any()


def test_a_run_goes_on_after_its_occupancy_was_pruned(rgba, tmp_path):
    """Also one whose occupancy has other sizes than that of a new student."""
    fields = [scene.student() for _ in range(2)]
    config, state = DistillConfig(seconds=None, steps=FIRST_PRUNING + 20), tmp_path / "state"
    asked = iter(range(config.steps))
    stop = Hooks(should_stop=lambda: next(asked) == FIRST_PRUNING + 10)
    views = scene.cameras(24)
    assert train_images(fields[0], views, rgba, config, hooks=stop, state_path=state).interrupted
    outcome = train_images(fields[1], views, rgba, config, state_path=state, resume=True)
    assert outcome.steps == config.steps
    whole = scene.student()
    train_images(whole, views, rgba, config)
    assert torch.equal(fields[1].table, whole.table)

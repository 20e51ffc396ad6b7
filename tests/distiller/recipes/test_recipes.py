"""The published recipes: losses in closed form, stages in order, tiny runs end to end."""

import math
from typing import get_args

import pytest
import torch

from nerfconvert.adapters import ADAPTERS, CHOICES
from nerfconvert.adapters.analytic import AnalyticField
from nerfconvert.adapters.factorized.factorized_config import FactorizedConfig
from nerfconvert.adapters.factorized.vm import VmField
from nerfconvert.adapters.hashgrid import HashgridConfig, HashgridField
from nerfconvert.adapters.mlp import MlpConfig, MlpField
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.distill import distill
from nerfconvert.distiller.progress import Clock
from nerfconvert.distiller.recipes import RECIPES, refuse
from nerfconvert.distiller.recipes.plan import Task
from nerfconvert.distiller.recipes.pvd import batch as published
from nerfconvert.distiller.recipes.pvd.batch import answer, draw_rays, march_batch
from nerfconvert.distiller.recipes.pvd.pair import share_decoder, trainable_share
from nerfconvert.distiller.recipes.pvd.pvd import plan
from nerfconvert.distiller.recipes.pvd.settings import sparsity
from nerfconvert.distiller.trainer import Hooks
from nerfconvert.errors import NerfConvertError, UsageError
from nerfconvert.options.per_command import Recipe
from nerfconvert.renderer.image import render_image
from nerfconvert.volume import Pace, TrainableField
from nerfconvert.volume.occupancy import transfer_occupancy
from tests.distiller import scene
from tests.distiller.scene import INFO, cameras

TINY = HashgridConfig(n_levels=6, log2_table_size=12, finest_resolution=64, hidden_width=32)
SMALL = {
    "hashgrid": {"n_levels": 6, "log2_table_size": 12, "finest_resolution": 64},
    "mlp": {"width": 64},
    "vm": {"resolution": 48},
    "cp": {"resolution": 48},
    "tensorial": {"resolution": 32},
}
CAMERAS = cameras()
PUBLISHED = [name for name in RECIPES if name != "fast"]


@pytest.fixture(autouse=True)
def _few_rays(monkeypatch):
    """Batches that tiny fields can afford."""
    monkeypatch.setattr(published, "BATCH_RAYS", 256)


@pytest.fixture(scope="module")
def teacher() -> AnalyticField:
    return scene.teacher()


def student(seed: int = 0) -> HashgridField:
    torch.manual_seed(seed)
    return HashgridField(TINY, INFO)


def published_size(architecture: str, **changes) -> TrainableField:
    """A field of the size `pvd`, but small."""
    torch.manual_seed(0)
    kind = ADAPTERS[architecture]
    return kind(
        kind.Config(**{**CHOICES[architecture].presets["pvd"], **SMALL[architecture], **changes}),
        INFO,
    )


def task(teacher, field, steps: int = 30) -> Task:
    config = DistillConfig(seconds=None, steps=steps)
    return Task(teacher=teacher, student=field, cameras=CAMERAS, config=config, clock=Clock(config))


def test_the_command_line_offers_every_recipe():
    assert set(get_args(Recipe)) == set(RECIPES)


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_a_student_learns(teacher, recipe):
    field, view = student(), CAMERAS[:1]
    before = render_image(field, view, 0)
    outcome = distill(teacher, field, CAMERAS, DistillConfig(seconds=None, steps=60), recipe=recipe)
    assert outcome.steps == 60
    wanted = render_image(teacher, view, 0)
    errors = [
        float((image - wanted).square().mean()) for image in (before, render_image(field, view, 0))
    ]
    assert errors[1] < errors[0] / 4
    assert torch.equal(field.occupancy.dense(), occupancy_of(teacher))


def occupancy_of(teacher) -> torch.Tensor:
    """The teacher's occupancy as a student takes it over."""
    field = student()
    transfer_occupancy(field, teacher)
    return field.occupancy.dense()


@pytest.mark.parametrize("architecture", SMALL)
@pytest.mark.parametrize("recipe", ["pvd", "pvd-al"])
def test_every_student_is_alive(monkeypatch, recipe, architecture):
    """A new one has gradients nearly everywhere in the teacher's occupied cells, and learns. The
    object is translucent: 200 steps of the published rate move log density by 1, which is too
    little for the coefficients of colors."""
    monkeypatch.setattr(published, "BATCH_RAYS", 128)
    teacher, field, view = scene.teacher(density=4.0), published_size(architecture), CAMERAS[:1]
    transfer_occupancy(field, teacher)
    while field.refine(1.0):
        pass
    generator = torch.Generator().manual_seed(0)
    assert trainable_share(field, generator) > 0.9
    wanted = render_image(teacher, view, 0)

    def decibels() -> float:
        return -10 * math.log10(float((render_image(field, view, 0) - wanted).square().mean()))

    before = decibels()
    config = DistillConfig(seconds=None, steps=600 if architecture == "tensorial" else 200)
    distill(teacher, field, CAMERAS, config, recipe=recipe)
    assert decibels() > before + 3


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_a_resumed_run_ends_in_the_same_bytes(teacher, tmp_path, recipe):
    config, state = DistillConfig(seconds=None, steps=12), tmp_path / "run.state"
    unbroken = student()
    distill(teacher, unbroken, CAMERAS, config, recipe=recipe)
    calls = iter(range(100))
    hooks = Hooks(should_stop=lambda: next(calls) >= 7)
    distill(teacher, student(), CAMERAS, config, recipe=recipe, hooks=hooks, state_path=state)
    resumed = student(5)
    distill(teacher, resumed, CAMERAS, config, recipe=recipe, state_path=state, resume=True)
    for name, tensor in unbroken.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_stages_end_at_published_steps(teacher):
    """2000 and 5000 of 30,000, counted from 1; without common features the first is left out."""
    first, second, third = plan(task(copy_of_student(), student())).stages
    assert [s.name for s in (first, second, third)] == ["features", "samples", "rays"]
    for stage, last in ((first, 1999), (second, 4999)):
        assert not stage.finished(last - 1, (last - 1) / 30_000)
        assert stage.finished(last, last / 30_000)
    assert not third.finished(30_000, 1.0)
    assert [s.name for s in plan(task(teacher, student())).stages] == ["samples", "rays"]


def copy_of_student() -> HashgridField:
    """A teacher with the student's decoder shapes and density somewhere."""
    return student(7).requires_grad_(False)


def test_the_first_stage_teaches_features_alone():
    field = student()
    stage = plan(task(copy_of_student(), field)).stages[0]
    stage.prepare(0, 0.0)
    stage.loss(torch.Generator().manual_seed(0)).loss.backward()
    assert float(field.table.grad.abs().sum()) > 0
    assert all(weight.grad is None for weight in field.color_weights)


def test_networks_are_copied_where_all_shapes_agree():
    field, other = student(), student(3)
    before = [weight.clone() for weight in field.color_weights]
    made = plan(task(other, field))
    assert all(
        torch.equal(a, b) for a, b in zip(before, field.color_weights)
    )  # a plan does nothing
    made.begin(Pace())
    assert all(torch.equal(a, b) for a, b in zip(field.color_weights, other.color_weights))
    assert not torch.equal(field.table, other.table)
    assert all(torch.equal(a, b) for a, b in zip(field.density_weights, other.density_weights))
    network = MlpField(MlpConfig(depth=2, width=16, skips=(), head_width=8), INFO)
    assert not share_decoder(other, network)


def test_density_is_compared_and_rendered_between_its_clamps(teacher, generator):
    """In units of half an edge; outside the clamp there is no gradient, not even of log 0."""
    field = student()
    transfer_occupancy(field, teacher)
    drawn = march_batch(field, draw_rays(CAMERAS[:1], generator), generator)
    given = answer(teacher, drawn, 0.5, features=False)
    depth = 0.5 * teacher.density(teacher.encode(drawn.samples.positions(drawn.rays)))
    empty, inside = depth < 0.1, depth > 0.2
    assert empty.any()
    assert inside.any()
    assert (given.log_density[empty] == -2).all()
    torch.testing.assert_close(given.log_density[inside], depth[inside].log())
    torch.testing.assert_close(given.density, given.log_density.exp() / 0.5)
    network = MlpField(MlpConfig(depth=2, width=16, skips=(), head_width=8), INFO)
    torch.nn.init.constant_(network.density_layer.bias, -100.0)
    answer(network, drawn, 1.0, features=False).log_density.sum().backward()
    assert float(network.density_layer.bias.grad) == 0.0


def test_density_factors_are_kept_small():
    """Of 2 density components among 5, in 3 planes and 3 lines, all entries -0.5."""
    config = FactorizedConfig(resolution=8, density_components=2, appearance_components=3)
    field = VmField(config, INFO)
    for factor in (*field.factors.planes, *field.factors.lines):
        torch.nn.init.constant_(factor, 7.0)
        factor.data[..., :2] = -0.5
    assert sparsity(field).item() == pytest.approx(1e-4 * 6 * 0.5)
    assert sparsity(student()) == 0


def test_a_vm_student_trains_at_its_final_resolution(teacher):
    field = published_size("vm", first_resolution=8)
    field.start_coarse()
    assert field.factors.resolution == 8
    before = [line.clone() for line in field.factors.lines]
    distill(teacher, field, CAMERAS, DistillConfig(seconds=None, steps=3), recipe="pvd")
    assert field.factors.resolution == field.config.resolution == SMALL["vm"]["resolution"]
    assert not any(torch.equal(a, b) for a, b in zip(before, field.factors.lines))


def test_a_student_that_could_not_learn_is_refused(teacher):
    """TensoRF's own activation begins with a density far below the clamp."""
    config = FactorizedConfig(resolution=24, density_components=2, appearance_components=3)
    with pytest.raises(UsageError, match="vm of these settings has a density outside"):
        distill(
            teacher,
            VmField(config, INFO),
            CAMERAS,
            DistillConfig(seconds=None, steps=3),
            recipe="pvd",
        )


def test_rays_beyond_the_buffer_are_dropped(teacher, generator, monkeypatch):
    rays = draw_rays(CAMERAS[:1], generator)
    state = generator.get_state()
    field = student()
    transfer_occupancy(field, teacher)
    whole = march_batch(field, rays, generator)
    monkeypatch.setattr(published, "MOST_SAMPLES", len(whole.samples) // 2)
    part = march_batch(field, rays, generator.set_state(state))
    count = len(part.rays)
    assert 0 < count < len(rays)
    assert len(part.samples) <= published.MOST_SAMPLES < int(whole.samples.offsets[count + 1])
    assert torch.equal(part.samples.t_starts, whole.samples.t_starts[: len(part.samples)])
    assert len(part.background) == count


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_a_teacher_that_shows_nothing_is_named(teacher, recipe):
    empty = copy_of_student()
    empty.occupancy.assign(torch.zeros(32, 32, 32, dtype=torch.bool))
    with pytest.raises(NerfConvertError, match="shows nothing"):
        distill(empty, student(), CAMERAS, DistillConfig(seconds=None, steps=3), recipe=recipe)


def test_a_curve_survives_an_interruption(teacher, tmp_path):
    """One checkpoint passes before the interruption and is not measured again."""
    config, state = DistillConfig(seconds=None, steps=4), tmp_path / "run.state"
    calls = iter(range(100))
    passed = {"checkpoints": (1e-6,), "on_checkpoint": lambda now: now.counts()}
    hooks = Hooks(should_stop=lambda: next(calls) >= 2, **passed)
    stopped = distill(
        teacher, student(), CAMERAS, config, recipe="pvd", hooks=hooks, state_path=state
    )
    assert stopped.interrupted
    hooks = Hooks(**passed)
    whole = distill(
        teacher,
        student(),
        CAMERAS,
        config,
        recipe="pvd",
        hooks=hooks,
        state_path=state,
        resume=True,
    )
    assert whole.curve == stopped.curve
    assert len(whole.curve) == 1
    assert whole.curve[0]["seconds"] > 1e-6


def test_published_recipes_need_a_box_of_the_world():
    with pytest.raises(UsageError, match="not for pvd"):
        refuse("pvd", (), bounded=False)
    refuse("fast", (), bounded=False)
    refuse("pvd", (), bounded=True)

"""Everything that trains and renders, on a second device: nothing meets a tensor of the CPU."""

from __future__ import annotations

import itertools
import math
import statistics

import pytest
import torch
from torch.optim import optimizer

from nerfconvert.adapters import ADAPTERS, TRAINABLE
from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField, Primitive
from nerfconvert.adapters.factorized import initialize as factorized_start
from nerfconvert.distiller import distill as distill_module
from nerfconvert.distiller import ray_buffer, stages
from nerfconvert.distiller import train_images as images
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.distill import distill
from nerfconvert.distiller.recipes import DEFAULT, RECIPES
from nerfconvert.distiller.recipes.pvd import batch as published
from nerfconvert.distiller.samplers import SAMPLERS
from nerfconvert.distiller.stages import batch_samples
from nerfconvert.distiller.train_images import train_images
from nerfconvert.distiller.trainer import LOOK_EVERY, Hooks
from nerfconvert.kernels import library
from nerfconvert.renderer import cone_march, occupancy, visibility
from nerfconvert.renderer.cameras import around
from nerfconvert.renderer.image import rays_at_once, render_image, render_rays
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.volume import Aabb, Contraction, FieldInfo, capacity

from .adapters.test_contract import tiny_config
from .pretend_cuda import pretend_cuda, waits

# torch takes a pretended tensor for one without values; loading a state fills it nevertheless.
pytestmark = pytest.mark.filterwarnings("ignore:for .*copying from a non-meta parameter")
INFO = FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1)))
BOX = Primitive(
    kind="box", center=(0, 0, 0), size=(0.3, 0.3, 0.3), density=40, color=(0.9, 0.3, 0.1)
)
VIEWS = around((0.0, 0.0, 0.0), (3.0, 3.2), 6, torch.Generator().manual_seed(1), size=(16, 16))

MOST_CONSTANTS = 2  # of a field, beyond those that its box has already
PUBLISHED = [name for name in RECIPES if name != DEFAULT]
DEVICES = {"compiled": (), "references": (), "cuda": (pytest.mark.needs_cuda,)}
CASES = [
    pytest.param(where, name, marks=marks)
    for where, marks in DEVICES.items()
    for name in (["hashgrid"] if where == "references" else TRAINABLE)
]


@pytest.fixture
def device(request, monkeypatch):
    """The second device: pretended, with kernels of its own (those of the CPU) or without; or a
    real one."""
    load = library.load_library
    for constant, value in {"FIRST_PRUNING": 2, "OCCUPANCY_EVERY": 2, "RESOLUTION": 16}.items():
        monkeypatch.setattr(images, constant, value)
    monkeypatch.setattr(ray_buffer, "CHUNK_RAYS", 512)
    monkeypatch.setattr(distill_module, "REPORT_EVERY", math.inf)  # asked to stop once a step
    monkeypatch.setattr(visibility, "MOST_POINTS", 1 << 14)
    for constant, value in {"FINEST": {3: 16, 0: 16}, "STEPS": 2, "POINTS": 64}.items():
        monkeypatch.setattr(factorized_start, constant, value)
    if request.param == "cuda":
        yield torch.device("cuda", 0)
        return
    if request.param == "references":
        monkeypatch.delenv("NERFCONVERT_REQUIRE_NATIVE", raising=False)
    if request.param == "compiled":
        if load("cpu") is None:
            pytest.skip("the kernels are not compiled here")
        monkeypatch.setattr(
            library, "load_library", lambda kind: load("cpu" if kind == "meta" else kind)
        )
    with pretend_cuda() as pretended:
        waits.clear()
        yield pretended


def teacher_on(device) -> AnalyticField:
    field = AnalyticField(AnalyticConfig(primitives=(BOX,)), INFO).to(device)
    build_occupancy(field, resolution=16)
    return field


def student_on(device, name: str = "hashgrid"):
    return ADAPTERS[name](tiny_config(name), INFO).to(device)


@pytest.mark.parametrize(("device", "name"), CASES, indirect=["device"])
def test_a_student_is_distilled_and_rendered(device, name, tmp_path):
    teacher, student = teacher_on(device), student_on(device, name)
    state = tmp_path / "run.state"
    calls = []
    stop = Hooks(should_stop=lambda: calls.append(0) or len(calls) > 3)
    config = DistillConfig(seconds=None, steps=6, memory_mb=16)
    distill(teacher, student, VIEWS, config, hooks=stop, state_path=state)
    outcome = distill(teacher, student, VIEWS, config, state_path=state, resume=True)
    assert outcome.steps == 6
    expected = {"rays"} if student.starts_fitted else {"points", "rays"}
    assert {stage.name for stage in outcome.stages} == expected
    assert {p.device for p in student.parameters()} == {device}
    image = render_image(student, VIEWS, 0)
    assert image.device == device
    assert bool(image.isfinite().all())


@pytest.mark.parametrize(
    "device", [pytest.param(w, marks=m) for w, m in DEVICES.items()], indirect=True
)
def test_active_samplers(device, tmp_path):
    teacher, student, state = teacher_on(device), student_on(device), tmp_path / "run.state"
    calls = []
    stop = Hooks(should_stop=lambda: calls.append(0) or len(calls) > 6)
    config = DistillConfig(seconds=None, steps=8, memory_mb=16, active=tuple(SAMPLERS))
    distill(teacher, student, VIEWS, config, hooks=stop, state_path=state)
    outcome = distill(teacher, student, VIEWS, config, state_path=state, resume=True)
    assert outcome.steps == 8


@pytest.mark.parametrize(("device", "name"), CASES, indirect=["device"])
def test_a_field_is_trained_on_images(device, name, tmp_path):
    student, pictures = student_on(device, name), torch.rand(6, 16, 16, 3)
    state, calls = tmp_path / "run.state", []
    stop = Hooks(should_stop=lambda: calls.append(0) or len(calls) > 4)  # past the first pruning
    config = DistillConfig(seconds=None, steps=6)
    train_images(student, VIEWS, pictures, config, hooks=stop, state_path=state)
    outcome = train_images(student, VIEWS, pictures, config, state_path=state, resume=True)
    assert outcome.steps == 6
    assert {p.device for p in student.parameters()} == {device}


def tiny_batches(device, monkeypatch) -> None:
    """Batches that tiny fields can afford; torch's fused optimizers take the pretended device."""
    known = optimizer._get_fused_kernels_supported_devices()
    monkeypatch.setattr(
        optimizer, "_get_fused_kernels_supported_devices", lambda: [*known, device.type]
    )
    monkeypatch.setattr(published, "BATCH_RAYS", 32)


@pytest.mark.parametrize("recipe", PUBLISHED)
@pytest.mark.parametrize(
    "device", [pytest.param(w, marks=m) for w, m in DEVICES.items()], indirect=True
)
def test_published_recipes(device, recipe, monkeypatch):
    tiny_batches(device, monkeypatch)
    teacher, student = teacher_on(device), student_on(device)
    config = DistillConfig(seconds=None, steps=3)
    assert distill(teacher, student, VIEWS, config, recipe=recipe).steps == 3


@pytest.mark.parametrize("device", ["compiled", "references"], indirect=True)
def test_the_check_can_fail(device):
    with pytest.raises(RuntimeError, match="mixes devices"):
        teacher_on(device).encode(torch.zeros(2, 3))


def of_steps(run) -> list[int]:
    """The waits of each step, between two questions whether to stop, in order."""
    seen = []
    run(Hooks(should_stop=lambda: seen.append(sum(waits.values()))))
    return [b - a for a, b in itertools.pairwise(seen)]


def per_step(run) -> float:
    """Median number of waits of a step."""
    return statistics.median(of_steps(run))


@pytest.mark.parametrize("device", ["compiled"], indirect=True)
@pytest.mark.parametrize("name", TRAINABLE)
def test_a_step_does_not_wait_for_the_device(device, name, monkeypatch):
    """Distilling: never, but for constants that the first step makes and a look at the loss every
    tenth one. Images: for the number of marched samples, and where occupancy is refreshed."""
    monkeypatch.setattr(images, "OCCUPANCY_EVERY", 16)  # as it is
    teacher, student = teacher_on(device), student_on(device, name)
    config = DistillConfig(seconds=None, steps=19, memory_mb=16, empty="everywhere")
    distilling = of_steps(lambda hooks: distill(teacher, student, VIEWS, config, hooks=hooks))
    assert distilling[0] <= MOST_CONSTANTS
    assert [n for step, n in enumerate(distilling, 1) if step > 1 and step % LOOK_EVERY] == [0] * 16
    pictures = torch.rand(6, 16, 16, 3)
    training = of_steps(lambda h: train_images(student, VIEWS, pictures, config, hooks=h))
    assert [n for step, n in enumerate(training, 1) if 1 < step < 17 and step % 10] == [1] * 14


@pytest.mark.parametrize("device", ["compiled"], indirect=True)
@pytest.mark.parametrize("until", [0.05, 0.95])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_waits_of_active_samplers(device, sampler, until, monkeypatch):
    """For which chunk, how many of its rays and which, and for how many samples are kept."""
    most = {"camera": 0, "ray": 3, "point": 2}[sampler]
    monkeypatch.setattr(stages, "SAMPLES_UNTIL", until)
    teacher, student = teacher_on(device), student_on(device)
    config = DistillConfig(seconds=None, steps=20, memory_mb=16, active=(sampler,))
    assert per_step(lambda hooks: distill(teacher, student, VIEWS, config, hooks=hooks)) <= most


@pytest.mark.parametrize("device", ["compiled"], indirect=True)
@pytest.mark.parametrize("recipe", PUBLISHED)
def test_waits_of_published_recipes(device, recipe, monkeypatch):
    """For the numbers of marched samples and of rays that fit; with active learning also for the
    choice of samples and for the pool, which lies on the CPU."""
    most = {"pvd": 2, "pvd-al": 9, "pvd-al-paired": 9}[recipe]
    tiny_batches(device, monkeypatch)
    teacher, student = teacher_on(device), student_on(device)
    config = DistillConfig(seconds=None, steps=20)
    assert (
        per_step(lambda hooks: distill(teacher, student, VIEWS, config, recipe=recipe, hooks=hooks))
        <= most
    )


@pytest.mark.parametrize("device", ["compiled"], indirect=True)
def test_memory_sizes_frames_and_batches(device, monkeypatch):
    """More rays and rows at once give the same picture, with fewer waits."""
    monkeypatch.setattr("nerfconvert.renderer.image.CHUNK", 32)
    monkeypatch.setattr("nerfconvert.adapters.mlp.CHUNK", 32)
    student, found = student_on(device, "mlp"), []
    for room in (0, 1 << 40):
        monkeypatch.setattr(capacity, "room", lambda device, room=room: room)
        waits.clear()
        image = render_image(student, VIEWS, 0, step=0.1).cpu()
        found.append(
            (image, sum(waits.values()), rays_at_once(student, 32), batch_samples(student))
        )
    (image, most, rays, samples), (other, fewer, more_rays, more_samples) = found
    torch.testing.assert_close(image, other, atol=1e-5, rtol=0)
    assert image.std() > 0
    assert fewer < most / 4
    assert (more_rays, more_samples) == (64 * rays, ray_buffer.MOST_TIMES * samples)


@pytest.mark.parametrize("device", ["compiled"], indirect=True)
@pytest.mark.parametrize(("density", "waves"), [(1e4, (1, 1)), (0.01, (12, 30))])
def test_waits_of_rendering(device, density, waves, monkeypatch):
    """Three for every wave of samples that light reaches and six for all; none for the waves behind
    an opaque surface."""
    solid = Primitive(
        kind="box", center=(0, 0, 0), size=(2, 2, 2), density=density, color=(0.9, 0.3, 0.1)
    )
    field = AnalyticField(AnalyticConfig(primitives=(solid,)), INFO).to(device)
    asked, encode = [], field.encode
    monkeypatch.setattr(field, "encode", lambda x: asked.append(len(x)) or encode(x))
    rays = VIEWS.view_rays(0).to(device)
    waits.clear()
    render_rays(field, rays, step=0.01)
    assert waves[0] <= len(asked) <= waves[1]
    assert sum(waits.values()) <= 3 * len(asked) + 6


@pytest.mark.parametrize("device", ["compiled"], indirect=True)
def test_waits_of_rendering_an_unbounded_field(device, monkeypatch):
    """Three for every wave of samples, as else, and four for every section of the rays."""
    space = Aabb((-2, -2, -2), (2, 2, 2), Contraction("inf", (0.0, 0.0, 0.0), 1.0))
    field = ADAPTERS["hashgrid"](tiny_config("hashgrid"), FieldInfo(aabb=space)).to(device)
    rays = VIEWS.view_rays(0).to(device)
    render_rays(field, rays[:8], step=0.1)  # constants, and distances between cells
    asked, sections, encode, segments = [], [], field.encode, cone_march._segments
    monkeypatch.setattr(field, "encode", lambda x: asked.append(len(x)) or encode(x))
    monkeypatch.setattr(cone_march, "_segments", lambda *x: sections.append(0) or segments(*x))
    waits.clear()
    render_rays(field, rays, step=0.1)
    assert 4 < len(sections) <= len(asked)
    assert sum(waits.values()) <= 3 * len(asked) + 4 * len(sections) + 1


@pytest.mark.parametrize("device", ["compiled"], indirect=True)
def test_finding_the_occupancy_does_not_wait_for_every_batch(device, monkeypatch):
    monkeypatch.setattr(occupancy, "BATCH", 256)
    field = AnalyticField(AnalyticConfig(primitives=(BOX,)), INFO).to(device)
    asked, encode = [], field.encode
    monkeypatch.setattr(field, "encode", lambda x: asked.append(len(x)) or encode(x))
    waits.clear()
    build_occupancy(field, resolution=16)
    assert len(asked) > 10
    assert sum(waits.values()) <= 10

"""distill() and train_images() on a closed-form scene: they learn, stop, resume and refuse."""

import resource
from dataclasses import replace

import pytest
import torch

from nerfconvert.adapters.hashgrid import HashgridConfig, HashgridField
from nerfconvert.adapters.tensorial.field import TensorialConfig, TensorialField
from nerfconvert.distiller.checkpoint import save_state
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.distill import distill
from nerfconvert.distiller.optimizers.by_role import BY_ROLE, MATRIX_RATE
from nerfconvert.distiller.optimizers.muon import Muon
from nerfconvert.distiller.train_images import train_images
from nerfconvert.distiller.trainer import Hooks
from nerfconvert.errors import FormatError, NerfConvertError, UsageError
from nerfconvert.renderer.cameras import around
from nerfconvert.renderer.image import render_image
from nerfconvert.volume import Aabb, FieldInfo, Role
from tests.distiller import scene
from tests.distiller.scene import INFO


class Momentum(Muon):
    """An optimizer of another name whose state has the same shapes."""


TINY = HashgridConfig(n_levels=6, log2_table_size=12, finest_resolution=64, hidden_width=32)


@pytest.fixture(scope="module")
def teacher():
    return scene.teacher()


def cameras(seed: int, views: int = 16):
    generator = torch.Generator().manual_seed(seed)
    return around((0.0, 0.0, 0.0), (3.0, 3.2), views, generator, size=(24, 24))


def student(seed: int = 0) -> HashgridField:
    torch.manual_seed(seed)
    return HashgridField(TINY, INFO)


def error(field, teacher, views) -> float:
    pairs = [(render_image(field, views, i), render_image(teacher, views, i)) for i in range(4)]
    return float(torch.stack([(a - b).square().mean() for a, b in pairs]).mean())


def test_a_student_learns_its_teacher_from_rays_it_never_saw(teacher):
    field, views = student(), cameras(9, 4)
    before = error(student(), teacher, views)
    outcome = distill(teacher, field, cameras(1), DistillConfig(seconds=None, steps=250))
    assert outcome.steps == 250
    assert sum(stage.steps for stage in outcome.stages) == 250
    assert [stage.name for stage in outcome.stages][-1] == "rays"
    after = error(field, teacher, views)
    assert after < 1e-3  # 30 dB
    assert after < before / 20


def test_people_hear_of_the_start_before_it_takes_its_time(teacher):
    heard = []
    hooks = Hooks(on_progress=heard.append)
    distill(teacher, student(), cameras(1), DistillConfig(seconds=None, steps=1), hooks=hooks)
    assert (heard[0].stage, heard[0].step, heard[0].fraction) == ("start", 0, 0.0)


def test_a_resumed_run_ends_in_the_same_bytes(teacher, tmp_path):
    config, state = DistillConfig(seconds=None, steps=60), tmp_path / "run.state"
    unbroken, broken = student(), student()
    distill(teacher, unbroken, cameras(1), config)
    calls = iter(range(10_000))
    stopped = distill(
        teacher,
        broken,
        cameras(1),
        config,
        hooks=Hooks(should_stop=lambda: next(calls) >= 37),
        state_path=state,
    )
    assert stopped.interrupted
    assert stopped.steps == 37
    resumed = student(5)
    outcome = distill(teacher, resumed, cameras(1), config, state_path=state, resume=True)
    assert outcome.steps == 60
    assert not outcome.interrupted
    for name, tensor in unbroken.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_state_of_another_run_is_refused(teacher, tmp_path):
    state = tmp_path / "run.state"
    hooks = Hooks(should_stop=lambda: True)
    config = DistillConfig(seconds=None, steps=10)
    distill(teacher, student(), cameras(1), config, hooks=hooks, state_path=state)
    other = DistillConfig(seconds=None, steps=20)
    with pytest.raises(FormatError, match=r"budget\.steps was 10, now 20"):
        distill(teacher, student(), cameras(1), other, state_path=state, resume=True)
    state.write_bytes(state.read_bytes()[:500])
    with pytest.raises(FormatError, match="no resumable state"):
        distill(teacher, student(), cameras(1), config, state_path=state, resume=True)


def test_a_changed_state_is_refused(teacher, tmp_path):
    """A bit of a number, which torch itself does not notice; and parts that are missing."""
    state = tmp_path / "run.state"
    run = stopped_at_once(teacher, state)
    whole = state.read_bytes()
    number = torch.load(state)["student"]["table"].numpy().tobytes()[:64]
    at = whole.index(number) + 9
    state.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(FormatError, match="no resumable state"):
        distill(**run, state_path=state, resume=True)
    state.write_bytes(whole)
    for name, value in (("numbers", {}), ("optimizer", []), ("stage_start", 3), ("stages", [])):
        changed = {**torch.load(state), name: value}
        changed.pop("sha256")
        save_state(tmp_path / "changed", changed)
        with pytest.raises(FormatError, match="no resumable state"):
            distill(**run, state_path=tmp_path / "changed", resume=True)
    distill(**run, state_path=state, resume=True)


def test_a_full_disk_does_not_end_the_run(teacher, tmp_path, caplog):
    state = tmp_path / "run.state"
    config = DistillConfig(seconds=None, steps=3)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        outcome = distill(teacher, student(), cameras(1), config, state_path=state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert outcome.steps == 3
    assert "cannot be saved" in caplog.text
    assert not list(tmp_path.iterdir())


def test_a_state_of_other_optimizers_is_refused(teacher, tmp_path, monkeypatch):
    """Where their states could be taken for each other's, too; and one that names none."""
    state, config = tmp_path / "run.state", DistillConfig(seconds=None, steps=10)
    runs = {
        "distill": lambda **more: distill(teacher, student(), cameras(1), config, **more),
        "images": lambda **more: train_images(
            student(), cameras(1, 1), torch.zeros(1, 24, 24, 3), config, **more
        ),
    }
    for run in runs.values():
        run(hooks=Hooks(should_stop=lambda: True), state_path=state)
        with monkeypatch.context() as changed:
            changed.setitem(BY_ROLE, Role.MATRIX, (Momentum, MATRIX_RATE))
            with pytest.raises(FormatError, match=r"optimizers was .*Muon, .*now .*Momentum, "):
                run(state_path=state, resume=True)
        saved = torch.load(state)
        del saved["fingerprint"]["optimizers"]
        torch.save(saved, state)
        with pytest.raises(FormatError, match="optimizers was not recorded, now row table"):
            run(state_path=state, resume=True)


def stopped_at_once(teacher, state) -> dict:
    """The arguments of a run whose state is there."""
    run = {"teacher": teacher, "student": student(), "cameras": cameras(1)}
    run["config"] = DistillConfig(seconds=None, steps=10)
    distill(**run, hooks=Hooks(should_stop=lambda: True), state_path=state)
    return {**run, "student": student()}


WIDE = FieldInfo(aabb=Aabb((-1, -1, -1), (2, 2, 2)))
LESS = DistillConfig(seconds=None, steps=10, memory_mb=99)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("teacher", lambda: {"teacher": scene.teacher(red=0.91)}),
        ("student", lambda: {"student": HashgridField(replace(TINY, n_levels=5), INFO)}),
        ("student", lambda: {"student": HashgridField(TINY, WIDE)}),
        ("cameras", lambda: {"cameras": cameras(2)}),
        ("budget.memory_mb", lambda: {"config": LESS}),
        ("recipe", lambda: {"recipe": "pvd"}),
    ],
)  # fmt: skip
def test_a_state_knows_its_source_box_cameras_and_config(teacher, tmp_path, name, changes):
    state = tmp_path / "run.state"
    run = stopped_at_once(teacher, state)
    distill(**run, state_path=state, resume=True)
    run = {**stopped_at_once(teacher, state), **changes()}
    with pytest.raises(FormatError, match=f"of another run: .*{name} was"):
        distill(**run, state_path=state, resume=True)


def test_a_resumed_run_does_not_repeat_the_start_in_closed_form(teacher, tmp_path, monkeypatch):
    """Not for a sparse field either, which holds other tensors once it has started."""
    state, fields, started = tmp_path / "run.state", [], []
    for _ in range(2):
        torch.manual_seed(0)
        fields.append(TensorialField(TensorialConfig(resolution=16), INFO))
    initialize = TensorialField.initialize_from
    monkeypatch.setattr(
        TensorialField, "initialize_from", lambda *a: started.append(0) or initialize(*a)
    )
    config = DistillConfig(seconds=None, steps=6)
    stop = Hooks(should_stop=lambda: True)
    distill(teacher, fields[0], cameras(1), config, hooks=stop, state_path=state)
    assert distill(teacher, fields[1], cameras(1), config, state_path=state, resume=True).steps == 6
    assert started == [0]
    assert fields[1].unit == fields[0].unit
    assert torch.equal(fields[1].words, fields[0].words)


def test_cameras_that_see_nothing_are_named(teacher):
    away = cameras(1)
    away.poses[:, :3, 3] *= -1  # behind the scene, looking away from it
    with pytest.raises(NerfConvertError, match="no ray crosses"):
        distill(teacher, student(), away, DistillConfig(seconds=None, steps=5))


@pytest.mark.parametrize("recipe", ["pvd", "pvd-al"])
def test_active_levels_of_a_published_recipe_are_refused(teacher, recipe):
    field, config = student(), DistillConfig(seconds=None, steps=5, active=("ray",))
    before = [x.clone() for x in field.state_dict().values()]
    with pytest.raises(UsageError, match=f"active learning .ray.* not for {recipe}"):
        distill(teacher, field, cameras(1), config, recipe=recipe)
    assert all(torch.equal(a, b) for a, b in zip(before, field.state_dict().values(), strict=True))
    with pytest.raises(UsageError, match="not for training on images"):
        train_images(field, cameras(1, 1), torch.zeros(1, 24, 24, 3), config)


def test_checkpoints_come_in_order_with_the_clock_stopped(teacher):
    seen = []
    hooks = Hooks(checkpoints=(2.0, 1.0), on_checkpoint=lambda now: seen.append(now.seconds))
    outcome = distill(teacher, student(), cameras(1), DistillConfig(seconds=3), hooks=hooks)
    assert seen == sorted(seen)
    assert 1 <= len(seen) <= 2  # both are due at once where a step takes long
    assert seen[-1] >= 2.0
    assert outcome.seconds >= 3


def test_a_student_says_what_part_of_the_seconds_its_start_may_take(teacher, monkeypatch):
    given, field = [], student()
    monkeypatch.setattr(field, "start_share", 0.6)
    monkeypatch.setattr(field, "initialize_from", lambda t, v, pace: given.append(pace.seconds))
    hooks, config = Hooks(should_stop=lambda: bool(given)), DistillConfig(seconds=100)
    distill(teacher, field, cameras(1), config, hooks=hooks, spent=20)
    assert given[0] == pytest.approx(40, abs=5)


def test_images_alone_teach_a_field(teacher):
    views, field = cameras(3, 24), student()
    images = torch.stack([render_image(teacher, views, i) for i in range(24)])
    test = cameras(9, 4)
    before = error(student(), teacher, test)
    train_images(field, views, images, DistillConfig(seconds=None, steps=150))
    assert error(field, teacher, test) < before / 4

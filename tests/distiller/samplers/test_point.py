"""Point sampler: who is kept, and that sums stay what they were."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nerfconvert.distiller.samplers.averages import learn
from nerfconvert.distiller.samplers.point import RATE, PointSampler, sample_error
from nerfconvert.distiller.teacher_rays import TeacherRays
from nerfconvert.volume import Aabb, FieldInfo, Rays, Samples
from tests.distiller.scene import cameras, seeded

BOX = Aabb((-1, -1, -1), (1, 1, 1))
LARGE = 200  # samples in the cell that is wrong


def wrong_somewhere() -> tuple[PointSampler, TeacherRays]:
    """A sampler that knows one bad cell; 2000 samples, the first `LARGE` of them there."""
    sampler = PointSampler(cameras(), FieldInfo(aabb=BOX))
    sampler.errors.fill_(0.01)
    corner = torch.full((LARGE, 3), 0.51)
    learn(sampler.errors, sampler._cells(corner[:1]), torch.tensor([1.0]), RATE)
    others = torch.rand(2000 - LARGE, 3, generator=seeded()) - 1
    positions, one = torch.cat([corner, others]), torch.ones(2000)
    rays = Rays.of(positions, one[:, None].expand(-1, 3))  # a ray for each sample, at its origin
    samples = Samples(0 * one, 0 * one, torch.arange(2000), torch.arange(2001))
    rgb, none = positions.abs(), torch.zeros(2000, dtype=torch.int64)
    answers = TeacherRays(
        rays, samples, one, rgb, one, one.clone(), rgb, one, one, none, samples.offsets
    )
    return sampler, answers


def test_the_largest_errors_are_kept():
    sampler, answers = wrong_somewhere()
    index, importance = sampler.keep_samples(answers, answers.rays.origins, seeded())
    assert torch.equal(index[:LARGE], torch.arange(LARGE))
    assert torch.equal(importance[:LARGE], torch.ones(LARGE))
    assert abs(len(index) - 1000) <= 2
    assert float(importance.max()) > 1


def test_what_nobody_sees_is_dropped_first():
    sampler, answers = wrong_somewhere()
    answers.transmittance[: LARGE // 2] = 0.0
    index, _ = sampler.keep_samples(answers, answers.rays.origins, seeded())
    kept = torch.zeros(2000).index_fill(0, index, 1.0)
    assert kept[LARGE // 2 : LARGE].mean() == 1
    assert kept[: LARGE // 2].mean() < 0.6


def test_kept_samples_stand_for_all():
    sampler, answers = wrong_somewhere()
    values = answers.rays.origins[:, 1].square() + 0.3
    sums, generator = [], seeded(3)
    for _ in range(400):
        index, importance = sampler.keep_samples(answers, answers.rays.origins, generator)
        sums.append(float((values[index] * importance).sum()))
    found = torch.tensor(sums)
    assert abs(found.mean() - values.sum()) < 4 * found.std() / 20


def test_chosen_points_stand_for_the_candidates():
    sampler, answers = wrong_somewhere()
    every, generator, means, share = torch.arange(2000), seeded(3), [], []
    values = answers.rays.origins[:, 1].square() + 0.3
    for _ in range(400):
        index, importance = sampler.choose_samples(answers, every, 500, generator)
        means.append(float((values[index] * importance).mean()))
        share.append(float((index < LARGE).float().mean()))
    found = torch.tensor(means)
    assert abs(found.mean() - values.mean()) < 4 * found.std() / 20
    assert sum(share) / 400 > 5 * LARGE / 2000


class Recorder(TorchDispatchMode):
    """Writes down the names of the operations that run."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names = {*getattr(self, "names", ()), func.overloadpacket.__name__}
        return func(*args, **(kwargs or {}))


def test_nothing_is_sorted():
    sampler, answers = wrong_somewhere()
    with Recorder() as recorder:
        sampler.keep_samples(answers, answers.rays.origins, seeded())
        sampler.choose_samples(answers, torch.arange(2000), 100, seeded())
    assert "cumsum" in recorder.names
    assert not {name for name in recorder.names if "sort" in name or "topk" in name}


def test_errors_of_samples_are_what_a_picture_shows():
    solid, nothing, deltas = torch.tensor([1e6]), torch.tensor([0.0]), torch.tensor([0.1])
    red, blue = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 0, 1.0]])
    assert sample_error(solid, red, solid, red, deltas) == 0
    assert sample_error(nothing, red, nothing, blue, deltas) == 0
    assert sample_error(solid, red, nothing, red, deltas) == 1
    assert torch.isclose(sample_error(solid, red, solid, blue, deltas), torch.tensor(2 / 3))

"""Density and color losses: where they vanish, and that no gradient dies."""

import pytest
import torch

from nerfconvert.distiller.losses import DEEP, density_loss, ray_color_loss, sample_color_loss
from nerfconvert.distiller.teacher_rays import SampleBatch


def samples(target, *, transmittance=1.0, weights=1.0, rgb=0.0, importance=1.0) -> SampleBatch:
    """Samples one world unit long whose density is to be `target` [N]."""
    target = torch.as_tensor(target)
    one, places = torch.ones(len(target)), torch.zeros(len(target), 3)
    given = (one * torch.as_tensor(x) for x in (weights, transmittance, importance))
    return SampleBatch(places, places, target, places + torch.as_tensor(rgb), one, *given)


def test_equal_densities_cost_nothing():
    density = torch.tensor([0.0, 0.3, 4.0])
    assert density_loss(density, samples(density)) == 0


def test_more_than_solid_is_not_punished_but_less_is():
    solid = torch.tensor([10 * DEEP])
    deeper = density_loss(solid * 5, samples(solid))
    thinner = density_loss(torch.tensor([0.5 * DEEP]), samples(solid))
    assert deeper < 1e-8
    assert thinner > 1e-4


@pytest.mark.parametrize(("student", "target"), [(1e3, 0.0), (60.0, 0.5), (1e-3, 50.0)])
def test_gradient_lives_where_opacity_is_saturated(student, target):
    log_density = torch.tensor([student]).log().requires_grad_()
    density_loss(log_density.exp(), samples([target])).backward()
    assert log_density.grad.abs() > 1e-3
    assert torch.sign(log_density.grad) == (1 if student > target else -1)


def test_hidden_samples_do_not_count():
    wrong = torch.tensor([9.0, 1.0])
    assert density_loss(wrong, samples([0.0, 1.0], transmittance=[0.0, 1.0])) == 0
    assert density_loss(wrong, samples([0.0, 1.0], importance=[0.0, 1.0])) == 0


def test_color_loss_is_a_weighted_mean_of_squared_distance():
    rgb, target = torch.tensor([[1.0, 0, 0], [0, 0, 0]]), [0.0, 0.0]
    assert torch.isclose(
        sample_color_loss(rgb, samples(target, weights=[1.0, 3.0])), torch.tensor(0.25)
    )
    assert torch.isclose(
        sample_color_loss(rgb, samples(target, importance=[1.0, 3.0])), torch.tensor(0.25)
    )
    assert sample_color_loss(rgb, samples(target, weights=0.0)) == 0


def test_important_rays_count_more():
    color, target = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]), torch.zeros(2, 3)
    assert ray_color_loss(color, target) == 0.5
    assert ray_color_loss(color, target, torch.ones(2)) == 0.5
    assert ray_color_loss(color, target, torch.tensor([0.5, 9.0])) == 0.25

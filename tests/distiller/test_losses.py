"""Density and color losses: where they vanish, and that no gradient dies."""

import pytest
import torch

from nerfconvert.distiller.losses import DEEP, density_loss, sample_color_loss


def ones(count: int) -> torch.Tensor:
    return torch.ones(count)


def test_equal_densities_cost_nothing():
    density = torch.tensor([0.0, 0.3, 4.0])
    assert density_loss(density, density, ones(3), ones(3)) == 0


def test_more_than_solid_is_not_punished_but_less_is():
    solid = torch.tensor([10 * DEEP])
    deeper = density_loss(solid * 5, solid, ones(1), ones(1))
    thinner = density_loss(torch.tensor([0.5 * DEEP]), solid, ones(1), ones(1))
    assert deeper < 1e-8
    assert thinner > 1e-4


@pytest.mark.parametrize(("student", "target"), [(1e3, 0.0), (60.0, 0.5), (1e-3, 50.0)])
def test_gradient_lives_where_opacity_is_saturated(student, target):
    log_density = torch.tensor([student]).log().requires_grad_()
    density_loss(log_density.exp(), torch.tensor([target]), ones(1), ones(1)).backward()
    assert log_density.grad.abs() > 1e-3
    assert torch.sign(log_density.grad) == (1 if student > target else -1)


def test_hidden_samples_do_not_count():
    wrong, light = torch.tensor([9.0, 1.0]), torch.tensor([0.0, 1.0])
    assert density_loss(wrong, torch.tensor([0.0, 1.0]), ones(2), light) == 0


def test_color_loss_is_a_weighted_mean_of_squared_distance():
    rgb, target = torch.tensor([[1.0, 0, 0], [0, 0, 0]]), torch.zeros(2, 3)
    assert torch.isclose(
        sample_color_loss(rgb, target, torch.tensor([1.0, 3.0])), torch.tensor(0.25)
    )
    assert sample_color_loss(rgb, target, torch.zeros(2)) == 0

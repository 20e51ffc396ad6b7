"""Roles of parameters: which shapes they may have."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nerfconvert.volume import ParameterGroup, Role


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 3, 4)])
def test_rows_and_matrices_have_two_dimensions(role, shape):
    parameters = [nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(shape))]
    if len(shape) == 2 or role in (Role.TABLE, Role.VECTOR):
        assert ParameterGroup("space", role, parameters).parameters is parameters
        return
    with pytest.raises(ValueError, match=f"a {role.value} has two dimensions") as refused:
        ParameterGroup("space", role, parameters)
    assert str(list(shape)) in str(refused.value)

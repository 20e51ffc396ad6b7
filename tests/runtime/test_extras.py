"""A package that is missing is named, with the extra that brings it."""

from __future__ import annotations

import pytest

from nerfconvert.errors import BackendError
from nerfconvert.runtime.extras import require


def test_a_missing_package_is_named_with_its_extra():
    require("torch", extra="none", of="everything")
    with pytest.raises(BackendError, match=r"bench .*no_such_thing.*'\.\[thing\]'") as caught:
        require("no_such_thing", extra="thing", of="bench")
    assert caught.value.exit_code == 6

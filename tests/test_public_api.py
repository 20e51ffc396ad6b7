"""What `import nerfconvert` promises."""

import subprocess
import sys
from pathlib import Path

import pytest

import nerfconvert

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", nerfconvert.__all__)
def test_every_promised_name_is_there(name):
    assert getattr(nerfconvert, name) is not None
    assert name in dir(nerfconvert)


def test_unknown_names_fail_as_in_any_module():
    with pytest.raises(AttributeError, match="has no attribute 'convrt'"):
        _ = nerfconvert.convrt


def test_the_version_is_that_of_the_project():
    assert f'version = "{nerfconvert.__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## [{nerfconvert.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("code", ["import nerfconvert", "import nerfconvert.cli.commands"])
def test_starting_up_does_not_import_torch(code):
    check = f"{code}; import sys; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True, cwd=ROOT, timeout=60)

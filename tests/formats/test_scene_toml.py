"""Scenes as TOML: values that are no scene's, and boxes of any size."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.errors import FormatError
from nerfconvert.formats import load
from nerfconvert.renderer.camera_paths import orbit
from nerfconvert.renderer.image import render_image

BOX = {"aabb": "[[-1, -1, -1], [1, 1, 1]]"}
BODY = {
    "kind": '"box"',
    "center": "[0, 0, 0]",
    "size": "[0.5, 0.5, 0.5]",
    "density": "20.0",
    "color": "[1, 0.5, 0]",
}
DIGITS = [f"1{'0' * 400}", f"1{'0' * 5000}"]  # Python makes an integer of the first alone


def text(top: dict[str, str], body: dict[str, str] | None = None) -> str:
    lines = [f"{name} = {value}" for name, value in (BOX | top).items()]
    if body is not None:
        lines += ["[[primitives]]", *(f"{n} = {v}" for n, v in (BODY | body).items())]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "scene",
    [
        *(text({"aabb": f"[[-1, -1, -1], [1, 1, {n}]]"}, {}) for n in DIGITS),
        *(text({}, {name: n}) for name in ("density", "checks") for n in DIGITS),
        *(text({}, {"center": f"[0, 0, {n}]"}) for n in DIGITS),
        *(text({"primitives": value}) for value in ("[1]", '"abc"', "{a = 1}", "[[1]]", "1")),
        *(text({}, {name: "1e39"}) for name in ("density", "highlight", "stripes", "checks")),
        *(text({}, {name: "[1, 1, 1e39]"}) for name in ("center", "size", "color")),
        *(text({}, {"softness": value}) for value in ("1e39", "1e-46", "0.0", "nan", "[1]")),
        text({}, {"size": "[1, 1, 1e-46]"}),
        text({}, {"kind": "[1]"}),
        text({"aabb": "[[-1, -1, -1], [1, 1, 1e30]]"}, {}),
        text({"background": "[1]"}, {}),
    ],
)
def test_refuses_what_no_scene_has(scene, tmp_path):
    path = tmp_path / "scene.toml"
    path.write_text(scene)
    with pytest.raises(FormatError):
        load(path)


@pytest.mark.parametrize("half", [1e-3, 1.0, 1e6, 1e8])
def test_a_box_of_any_size_is_seen(half, tmp_path):
    density, size = 20 / half, [0.5 * half] * 3
    box = [[-half] * 3, [half] * 3]
    path = tmp_path / "scene.toml"
    path.write_text(text({"aabb": str(box)}, {"size": str(size), "density": str(density)}))
    field = load(path)
    image = render_image(field, orbit(field, 1, size=(16, 16)), 0)
    assert image[8, 8].tolist() == pytest.approx([1, 0.5, 0], abs=0.01)
    assert torch.equal(image[0, 0], torch.ones(3))

import pytest

from nerfconvert.film.labels import labels


def entry(path: str, size: int = 3_890_000) -> dict:
    return {"path": path, "format": "tensorf", "architecture": "vm", "bytes": size}


@pytest.mark.parametrize(
    ("paths", "titles"),
    [
        (["in/lego.th", "out/chair.ckpt"], ["lego", "chair"]),
        (["lego.th", "lego.safetensors"], ["lego.th", "lego.safetensors"]),
        (["lego/ckpt.th", "chair/ckpt.th"], ["lego/ckpt", "chair/ckpt"]),
        (["a/x.th", "a/x.ckpt", "b/x.th"], ["a/x.th", "a/x.ckpt", "b/x.th"]),
        (["a/x.th", "a/x.th"], ["1 a/x.th", "2 a/x.th"]),
    ],
)
def test_titles_are_as_short_as_tells_them_apart(paths, titles):
    assert [label.title for label in labels([entry(path) for path in paths])] == titles


def test_the_second_line_has_program_architecture_and_size():
    (label,) = labels([entry("x.th")])
    assert label.subtitle == "tensorf, vm, 3.89 MB"
    both = entry("x.ppng") | {"format": "ppng", "architecture": "ppng"}
    assert labels([both])[0].subtitle == "ppng, 3.89 MB"

"""bmild's weights: Keras' arrays by the mathematics of its description."""

from __future__ import annotations

import os

import numpy as np
import pytest

from nerfconvert.errors import FormatError
from nerfconvert.formats import identify, load
from tests.formats.files import keras_weights, probe_points, saved_list


def write(path, arrays) -> None:
    path.write_bytes(saved_list(arrays))


def forward(arrays, positions, directions) -> tuple[np.ndarray, np.ndarray]:
    """(density, rgb) in float64: relu after each layer of the trunk, the position again in front of
    the sixth's input, no relu after the bottleneck."""
    layers = list(zip(arrays[::2], arrays[1::2], strict=True))

    def dense(i, x):
        return x @ layers[i][0].astype(float) + layers[i][1]

    def encode(v, octaves):
        waves = [f(v * 2.0**k) for k in range(octaves) for f in (np.sin, np.cos)]
        return np.concatenate([v, *waves], 1)

    encoded = encode(positions, 5)
    h = encoded
    for i in range(8):
        h = np.maximum(dense(i, h), 0)
        h = np.concatenate([encoded, h], 1) if i == 4 else h
    seen = np.concatenate([dense(8, h), encode(directions, 4)], 1)
    rgb = dense(10, np.maximum(dense(9, seen), 0))
    return np.maximum(dense(11, h)[:, 0], 0), 1 / (1 + np.exp(-rgb))


def assert_same(field, arrays) -> None:
    positions, directions = probe_points()
    density, rgb = forward(arrays, positions.double().numpy(), directions.double().numpy())
    features = field.encode(positions)
    np.testing.assert_allclose(field.density(features).detach(), density, atol=5e-5)
    np.testing.assert_allclose(field.color(features, directions).detach(), rgb, atol=5e-5)
    assert (density > 0).any()


def test_reads_the_programs_mathematics(tmp_path):
    arrays = keras_weights()
    write(tmp_path / "model_fine_200000.npy", arrays)
    assert identify(tmp_path / "model_fine_200000.npy").name == "bmild"
    assert_same(load(tmp_path / "model_fine_200000.npy"), arrays)


def test_settings_beside_it_are_read(tmp_path):
    write(tmp_path / "a.npy", keras_weights())
    (tmp_path / "args.txt").write_text("dataset_type = llff\nno_ndc = False\nwhite_bkgd = False\n")
    info = load(tmp_path / "a.npy").info
    assert (info.frame, info.background) == ("ndc", "black")


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/nerfconvert-was-here",)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (keras_weights()[:-1], "23 arrays; expected 24"),
        ([*keras_weights()[:-1], np.full(1, np.nan, np.float32)], "NaN"),
        ([*keras_weights()[:-1], "text"], "something else than arrays"),
        ([*keras_weights()[:-1], Evil()], "it wants to use"),
        ([*keras_weights()[:-1], np.zeros(3, np.float32)], "shape"),
        ([np.zeros(4, np.float32), *keras_weights()[1:]], "no weight matrix"),
    ],
)
def test_wrong_files_are_refused(content, why, tmp_path):
    write(tmp_path / "a.npy", content)
    with pytest.raises(FormatError, match=why):
        load(tmp_path / "a.npy")
    assert not os.path.exists("/tmp/nerfconvert-was-here")


def test_plain_arrays_are_not_taken(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 3)))
    with pytest.raises(FormatError, match="numpy"):
        load(tmp_path / "a.npy")

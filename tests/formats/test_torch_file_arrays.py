"""TorchFile: numpy arrays in checkpoints, honest ones and others."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError
from nerfconvert.formats.parts.torch_file import TorchFile
from tests.formats.test_torch_file import Attack, write_zip


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "bool", "float32", "float64", "int32", "int64"])
def test_reads_numpy_arrays(zipped, dtype, tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (3, 5)).astype(dtype)
    path = tmp_path / "checkpoint"
    content = {"mask": values, "shape": torch.Size((1, 2, 3))}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    file = TorchFile(path)
    found = file.array(file.content["mask"], "mask")
    assert found.dtype == getattr(torch, dtype)
    np.testing.assert_array_equal(found, values)
    assert file.content["shape"] == (1, 2, 3)


def test_arrays_that_are_no_rows_of_numbers(tmp_path):
    path = tmp_path / "checkpoint"
    big = np.zeros(4, ">f4")

    def read():
        file = TorchFile(path)
        return file.array(file.content["mask"], "mask")

    for values in (np.zeros(3, complex), big, np.asfortranarray(np.ones((2, 3))), np.array("text")):
        torch.save({"mask": values}, path)
        with pytest.raises(FormatError):
            read()
    torch.save({"mask": [1, 2]}, path)
    with pytest.raises(FormatError, match="mask should be a numpy array"):
        read()


@pytest.mark.parametrize("shape", [(1 << 40,), (-1, -4), (0,), (2.0, 2), "ab", (1,) * 9])
def test_an_array_cannot_lie_about_its_size(shape, tmp_path):
    class Lie:
        def __reduce__(self):
            made = np.ones(4, np.uint8).__reduce__()
            return (*made[:2], (1, shape, np.dtype(np.uint8), False, b"\x01" * 4))

    path = tmp_path / "checkpoint"
    write_zip(path, pickle.dumps({"mask": Lie()}, 2))
    file = TorchFile(path)
    with pytest.raises(FormatError, match="numpy array"):
        file.array(file.content["mask"], "mask")


def test_an_array_of_objects_runs_nothing(tmp_path):
    trace = tmp_path / "trace"
    path = tmp_path / "checkpoint"
    values = np.array([Attack(os.system, f"touch {trace}")], dtype=object)
    write_zip(path, pickle.dumps({"mask": values}, 2))
    with pytest.raises(FormatError, match="wants to use"):
        TorchFile(path)
    assert not trace.exists()

"""bmild: weights of bmild/nerf, the first NeRF (`model_fine_200000.npy`): a list of Keras' arrays.

The file is a pickle of an array of arrays: for each layer [in, out] and bias, the trunk first, then
bottleneck, direction, color, density. The network is that of nerf-pytorch, which was made after it.
A file holds one network, of which the fine one renders, and nothing else: it is read only.
"""

from __future__ import annotations

import io
from pathlib import Path

from numpy.lib import format as npy
from torch import Tensor

from ..adapters.mlp import MlpField
from ..errors import FormatError
from .format import Format
from .nerf_pytorch import network, sidecar_info
from .parts.pickled_array import ArrayRef
from .parts.unpickle import StructureReader

START = b"\x93NUMPY"
LARGEST = 1 << 28  # bytes of a file; an 8x256 network takes 2.4 MB
HEADS = ("feature_linear", "views_linears.0", "rgb_linear", "alpha_linear")  # after the trunk
DEPTH = 8


class Bmild(Format):
    name = "bmild"
    title = "bmild nerf (.npy)"
    suffixes = (".npy",)
    architectures = frozenset({"mlp"})

    def sniff(self, path: Path) -> bool:
        try:
            with open(path, "rb") as file:
                head = file.read(256)
        except OSError:
            return False
        return head.startswith(START) and b"'descr': '|O'" in head

    def read(self, path: Path) -> MlpField:
        arrays = read_arrays(path)
        layers = [*(f"pts_linears.{i}" for i in range(DEPTH)), *HEADS]
        if len(arrays) != 2 * len(layers):
            raise FormatError(
                path,
                f"it has {len(arrays)} arrays; expected {2 * len(layers)}: weights and biases of "
                f"{DEPTH} layers, bottleneck, direction, color and density",
            )
        names = [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
        state = {
            name: array.T if array.ndim == 2 else array
            for name, array in zip(names, arrays, strict=True)
        }
        return network(path, state, sidecar_info(path))


def read_arrays(path: Path) -> list[Tensor]:
    """The arrays in the file, float32. Raises FormatError; runs no pickle."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST} bytes")
        data = path.read_bytes()
        stream = io.BytesIO(data)
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(stream)
        if not dtype.hasobject or len(shape) != 1:
            raise ValueError(f"it is an array {shape} of {dtype}; expected a list of arrays")
        content = StructureReader(stream).load()
        found = content.data if isinstance(content, ArrayRef) else content
        if not isinstance(found, list) or not all(isinstance(part, ArrayRef) for part in found):
            raise ValueError("its pickle holds something else than arrays")
        return [part.tensor().float() for part in found]
    except OSError as problem:
        raise FormatError(path, f"cannot be read: {problem.strerror or problem}") from None
    except Exception as problem:
        why = " ".join(str(problem).split()) or type(problem).__name__
        raise FormatError(path, f"expected numpy's list of weights, but {why}") from problem

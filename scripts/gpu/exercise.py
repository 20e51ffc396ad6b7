"""Every CUDA kernel once on small sizes, forward and backward: what the sanitizer watches."""

from __future__ import annotations

import torch
from parity import moved

from nerfconvert.kernels import KERNELS
from nerfconvert.kernels.library import load_library
from tests.cuda_ext.compiled import results, with_sizes


def main() -> None:
    library = load_library("cuda")
    if library is None:
        raise SystemExit("the CUDA kernels are not compiled here")
    for name in KERNELS:
        for size in (0, 129):
            arguments = moved(with_sizes(name, size), torch.device("cuda"))
            results(name, arguments, library)
        torch.cuda.synchronize()
        print("done", name, flush=True)


if __name__ == "__main__":
    main()

"""Backends that run the kernels, a file each; `kernels.dispatch.use_backend` chooses by name."""

from ...registry import Registry

BACKENDS = Registry(
    "backend",
    {
        "native": "nerfconvert.kernels.backends.native:NATIVE",
        "reference": "nerfconvert.kernels.backends.reference:REFERENCE",
        "half": "nerfconvert.kernels.backends.half:HALF",
        "nerfacc": "nerfconvert.kernels.backends.nerfacc:NERFACC",
        "tcnn": "nerfconvert.kernels.backends.tcnn:TCNN",
    },
)

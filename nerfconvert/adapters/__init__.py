"""Architectures: one file each, its config and its `RadianceField`."""

from ..registry import Registry

ADAPTERS = Registry(
    "architecture",
    {
        "mlp": "nerfconvert.adapters.mlp:MlpField",
        "hashgrid": "nerfconvert.adapters.hashgrid:HashgridField",
        "vm": "nerfconvert.adapters.lowrank:VmField",
        "cp": "nerfconvert.adapters.lowrank:CpField",
        "analytic": "nerfconvert.adapters.analytic:AnalyticField",
        "ppng": "nerfconvert.adapters.ppng:PpngField",
        "tensorial": "nerfconvert.adapters.tensorial:TensorialField",
    },
)

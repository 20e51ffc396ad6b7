"""How to distil: our own recipe, and the published ones that it is compared with."""

from ...registry import Registry

RECIPES = Registry(
    "recipe",
    {
        "fast": "nerfconvert.distiller.recipes.fast:fast",
        "pvd": "nerfconvert.distiller.recipes.pvd:pvd",
        "pvd-al": "nerfconvert.distiller.recipes.pvd_al:pvd_al",
    },
)

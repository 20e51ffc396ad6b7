"""Recipes: methods of distillation, ours and published ones.

This table imports no torch, because the command line's help is made from it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ...errors import UnknownNameError, UsageError


@dataclass(frozen=True)
class Recipe:
    """One method of distillation."""

    name: str
    module: str  # whose function `plan` makes a Plan of a Task
    size: str = "base"  # of a student, unless another one is asked for
    supports_active: bool = False  # takes samplers of active learning
    any_space: bool = False  # of fields, too, whose box is not one of the world
    sparse: bool = False  # its optimizer takes sparse gradients of row tables

    @property
    def plan(self) -> Callable:
        """The recipe's function from a Task to a Plan, imported when it is first used."""
        return importlib.import_module(self.module).plan


class _Table(dict[str, Recipe]):
    def __missing__(self, name: str):
        raise UnknownNameError("recipe", name, self)


DEFAULT = "fast"
RECIPES = _Table(
    (recipe.name, recipe)
    for recipe in (
        Recipe(
            DEFAULT,
            "nerfconvert.distiller.recipes.fast",
            supports_active=True,
            any_space=True,
            sparse=True,
        ),
        Recipe("pvd", "nerfconvert.distiller.recipes.pvd.pvd", size="pvd"),
        Recipe("pvd-al", "nerfconvert.distiller.recipes.pvd.pvd_al", size="pvd"),
        Recipe("pvd-al-paired", "nerfconvert.distiller.recipes.pvd.pvd_al_paired", size="pvd"),
    )
)


def refuse(recipe: str, samplers: Collection[str], bounded: bool = True) -> None:
    """Raises UsageError where `recipe` does not support the `samplers` of active learning, or needs
    a box of the world and the teacher is not `bounded`."""
    asked = {
        "supports_active": samplers and f"active learning ({', '.join(samplers)}; --active)",
        "any_space": not bounded and "a forward-facing or unbounded field",
    }
    for support, what in asked.items():
        if what and not getattr(RECIPES[recipe], support):
            known = ", ".join(name for name, r in RECIPES.items() if getattr(r, support))
            raise UsageError(f"{what} is for --recipe {known}, not for {recipe}")

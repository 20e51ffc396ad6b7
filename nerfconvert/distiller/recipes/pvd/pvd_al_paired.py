"""pvd-al-paired: `pvd-al` with one defect mended, so that its effect can be measured.

The error of each step is kept with the camera of that step, so the poses that are replayed are the
hardest ones, not a random choice.
"""

from __future__ import annotations

import functools

from .pvd_al import plan

plan = functools.partial(plan, paired=True)

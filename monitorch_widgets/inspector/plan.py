"""How often each lens may listen, out of what it costs and what there is to spend."""

from __future__ import annotations

import math
from collections.abc import Sequence

LARGEST = 1 << 16
"""Steps between two readings of a lens, at most."""


def strides(costs_s: Sequence[float], allowed_s: float) -> list[int]:
    """Strides with which lenses that cost so much each time spend no more than `allowed_s` a step together.

    Each gets an equal share of what is left, the cheap ones first: what they don't need goes to the others. Strides are
    powers of two, so that lenses listen to the same steps.

    Parameters
    ----------
    costs_s : sequence of float
        What each lens adds, in seconds, whenever it listens: for one that listens to pairs, that of both steps.
    allowed_s : float
        What all may add to a step in the mean.

    Examples
    --------
    >>> strides([0.001, 0.0001, 0.02], allowed_s=0.003)
    [1, 1, 16]
    """
    found = [1] * len(costs_s)
    left = max(allowed_s, 0.0)
    by_cost = sorted(range(len(costs_s)), key=lambda i: costs_s[i])
    for place, i in enumerate(by_cost):
        found[i] = _stride(costs_s[i], left / (len(by_cost) - place))
        left = max(left - costs_s[i] / found[i], 0.0)
    return found


def _stride(cost_s: float, share_s: float) -> int:
    if cost_s <= share_s:
        return 1
    if share_s <= 0 or cost_s / share_s > LARGEST:
        return LARGEST
    return power_of_two(cost_s / share_s)


def power_of_two(least: float) -> int:
    """The smallest power of two that is not below a number of at least 1."""
    return 1 << math.ceil(math.log2(least))

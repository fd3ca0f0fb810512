"""Readings as a data frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .points import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd


def frame_of(values: Floats, steps: Ints, modules: Sequence[str]) -> pd.DataFrame:
    """One row a step, one column a module; ImportError without pandas, which is imported here alone."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("to_pandas() needs pandas; install it with: pip install pandas") from error
    return pd.DataFrame(values, index=pd.Index(steps, name="step"), columns=modules)

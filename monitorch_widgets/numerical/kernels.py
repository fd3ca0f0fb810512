"""Loops over values that numba compiles when this is imported; ``walk.py`` imports it, where numba is installed.

Tensors come as addresses of float32 values that lie side by side. Sums are made in float64, and values may be added up
in any order, which lets the processor take several at a time; NaN and infinity stay what they are.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import config, float32, float64, int64, njit, types, void
from numba.extending import intrinsic

_INTS, _FLOATS, _TABLE = int64[::1], float32[::1], float32[:, ::1]
compiled = not vars(config)["DISABLE_JIT"]
_FREELY = {"reassoc", "contract", "nsz"}


def _values_at(context: Any, address: Any) -> Any:
    """Values at an address."""

    def make(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    floats: Any = types.CPointer(types.float32)  # type: ignore[no-untyped-call]
    return floats(address), make


_at: Any = intrinsic(_values_at)


def _compiled(*arguments: Any) -> Any:
    """Decorate with it what takes these arguments; the compiled code is kept on disk, where that can be."""
    make: Any = partial(njit, void(*arguments), nogil=True, fastmath=_FREELY, error_model="numpy")

    def decorated(function: Any) -> Any:
        try:
            return make(cache=True)(function)
        except Exception:  # no place to keep it, or what is kept there can't be read
            return make()(function)

    return decorated


@_compiled(_INTS, _INTS, _FLOATS)  # type: ignore[untyped-decorator]
def norms(tensors: Any, sizes: Any, out: Any) -> None:
    """L2 norm of each tensor."""
    for t in range(len(tensors)):
        values, squares = _at(tensors[t]), 0.0
        for i in range(sizes[t]):
            value = float64(values[i])
            squares += value * value
        out[t] = np.sqrt(squares)


@_compiled(_INTS, _INTS, _INTS, _TABLE)  # type: ignore[untyped-decorator]
def compare(tensors: Any, kept: Any, sizes: Any, out: Any) -> None:
    """L2 norm of each tensor, and its dot product with a kept one, which gets its values."""
    for t in range(len(tensors)):
        values, others, squares, products = _at(tensors[t]), _at(kept[t]), 0.0, 0.0
        for i in range(sizes[t]):
            value = float64(values[i])
            squares += value * value
            products += value * float64(others[i])
            others[i] = values[i]
        out[0, t], out[1, t] = np.sqrt(squares), products


@_compiled(_INTS, _INTS, _INTS, _TABLE)  # type: ignore[untyped-decorator]
def take(copies: Any, tensors: Any, sizes: Any, out: Any) -> None:
    """Take each tensor from its copy; L2 norms of the copy and of what is left."""
    for t in range(len(tensors)):
        values, others, before, left = _at(tensors[t]), _at(copies[t]), 0.0, 0.0
        for i in range(sizes[t]):
            other = others[i]
            change = other - values[i]
            others[i] = change
            before += float64(other) * float64(other)
            left += float64(change) * float64(change)
        out[0, t], out[1, t] = np.sqrt(before), np.sqrt(left)


@_compiled(_INTS, _INTS, _INTS, float32, _FLOATS)  # type: ignore[untyped-decorator]
def count_rows(tensors: Any, rows: Any, sizes: Any, eps: Any, out: Any) -> None:
    """Values of each row of each tensor whose magnitude exceeds `eps`; NaN for a row with NaN or infinity."""
    place = 0
    for t in range(len(tensors)):
        values, start = _at(tensors[t]), 0
        for _ in range(rows[t]):
            count, nothing = 0, float32(0)
            for i in range(start, start + sizes[t]):
                count += abs(values[i]) > eps
                nothing += values[i] * float32(0)
            out[place] = float32(count) + nothing
            start += sizes[t]
            place += 1


@_compiled(int64, int64, int64, int64, float32, _FLOATS, _FLOATS)  # type: ignore[untyped-decorator]
def look_at(tensor: Any, blocks: int, channels: int, size: int, eps: Any, out: Any, lengths: Any) -> None:
    """Active values of each channel of a tensor (blocks, channels, size), added to `out`; L2 norm of each sample.

    A sample has one block or some.
    """
    values, start, of_sample = _at(tensor), 0, blocks // len(lengths)
    for sample in range(len(lengths)):
        squares = 0.0
        for _ in range(of_sample):
            if size == 1:
                for c in range(channels):
                    value = values[start + c]
                    out[c] += float32(abs(value) > eps) + value * float32(0)
                    squares += float64(value) * float64(value)
                start += channels
                continue
            for c in range(channels):
                count, nothing = 0, float32(0)
                for i in range(start, start + size):
                    value = values[i]
                    count += abs(value) > eps
                    nothing += value * float32(0)
                    squares += float64(value) * float64(value)
                out[c] += float32(count) + nothing
                start += size
        lengths[sample] = np.sqrt(squares)

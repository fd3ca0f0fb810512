"""What each lens shows, written down from its docstring in float64: plain numpy, no torch, nothing of the package."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64] | npt.NDArray[np.complex128]
NAN = float("nan")
EPS = 1e-8  # magnitude up to which a value counts as zero, length up to which a tensor has no direction


def samples(output: Array) -> Array:
    """The output as (samples, values): 0 dimensions are one sample, 1 dimension a batch of scalars."""
    return output.reshape(len(output) if output.ndim else 1, -1)


def length(tensor: Array) -> float:
    """L2 norm over all values; a complex one counts by its magnitude."""
    return float(np.sqrt((np.abs(tensor) ** 2).sum())) if tensor.size else NAN


def sample_norm(output: Array, *, rms: bool = False) -> float:
    """Mean over the batch of the L2 norm, or the root mean square, of each sample."""
    if not output.size:
        return NAN
    rows = samples(output)
    norms = [length(row) / (np.sqrt(row.size) if rms else 1) for row in rows]
    return float(np.mean(norms))


def norm(tensor: Array, *, rms: bool = False) -> float:
    """L2 norm, or root mean square, of a gradient, an update or a parameter."""
    return length(tensor) / (np.sqrt(tensor.size) if rms and tensor.size else 1)


def neurons(output: Array, *, batch: bool) -> Array:
    """Values by neuron, (C, values): (B, C, ...) for an output, (C, ...) for a gradient."""
    if output.ndim <= (1 if batch else 0):
        return output.reshape(1, -1)
    turned = np.moveaxis(output, 1, 0) if batch else output
    return turned.reshape(len(turned), -1)


def activation_rate(values: Array, *, batch: bool, threshold: float = EPS) -> float:
    """Share of values that are active."""
    if not values.size or not np.isfinite(values).all():
        return NAN
    active = np.abs(neurons(values, batch=batch)) > threshold
    return float(active.mean(axis=1).mean())


def alive(values: Array, *, batch: bool, threshold: float = EPS) -> npt.NDArray[np.bool_]:
    """Which neurons have an active value."""
    if not values.size:
        return np.zeros(0, bool)
    found: npt.NDArray[np.bool_] = (np.abs(neurons(values, batch=batch)) > threshold).any(axis=1)
    return found


def death_rate(values: Array, *, batch: bool, threshold: float = EPS) -> float:
    """Share of neurons without any active value."""
    if not values.size or not np.isfinite(values).all():
        return NAN
    return float(1 - alive(values, batch=batch, threshold=threshold).mean())


def lasting_death_rate(passes: list[npt.NDArray[np.bool_]]) -> float:
    """Share of neurons that were alive in none of these passes."""
    return float(1 - np.any(passes, axis=0).mean())


def cosine(now: Array, before: Array | None) -> float:
    """Where `now` points, seen from `before`; none for the first, after a change of shape, and without direction."""
    if before is None or before.shape != now.shape or before.dtype != now.dtype:
        return NAN
    lengths = length(now) * length(before)
    if not np.isfinite(lengths) or not lengths > EPS**2:
        return NAN
    return float(np.real(np.vdot(before, now)) / lengths)  # complex values: as pairs of real ones


def ratio(before: Array, after: Array) -> float:
    """Norm of the update over the norm of the parameter before it."""
    size = length(before)
    return length(after - before) / size if size > 0 else NAN


def condition(parameter: Array) -> float:
    """Largest over smallest singular value of the parameter as a matrix (C, rest); none for a vector."""
    if parameter.ndim < 2 or not parameter.size or not np.isfinite(parameter).all():
        return NAN
    singular = np.linalg.svd(parameter.reshape(len(parameter), -1), compute_uv=False)
    return float(singular[0] / singular[-1]) if singular[-1] else NAN


def mean(values: list[float]) -> float:
    """The mean over the passes of a step; what is not finite is a gap."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else NAN

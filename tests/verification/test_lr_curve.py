"""The suggestion: where the loss falls fastest, however noisy it is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from monitorch_widgets.verification.lr_curve import LEAST, smoothed, steepest

LRS = np.logspace(-8, 0, 100)
DECADES = np.log10(LRS)
DROP = 2.0
SEEDS = range(50)
CURVES = {  # where it falls fastest, how wide the fall is, where it begins to diverge; in decades
    "narrow": (-2.5, 0.15, -1.5),
    "usual": (-4.0, 0.3, -1.0),
    "steep": (-3.0, 0.2, -1.2),
    "wide": (-3.5, 0.5, -1.0),
}


def losses(middle: float, width: float, end: float, seed: int = 0, noise: float = 0.1) -> npt.NDArray[np.float64]:
    """A loss that falls like a logistic function and diverges later, with noise in parts of the fall."""
    fall = 2.5 - DROP / (1 + np.exp(-(DECADES - middle) / width))
    rise = np.where(end < DECADES, (10 ** (2 * (DECADES - end)) - 1) * 0.5, 0.0)
    return fall + rise + np.random.default_rng(seed).normal(0, noise * DROP, len(LRS))


def naive(values: npt.NDArray[np.float64], over: npt.NDArray[np.float64]) -> int:
    """The steepest difference of neighbours, as finders usually take it."""
    return 10 + int(np.argmin(np.gradient(values[10:-1], over[10:-1])))


@pytest.mark.parametrize("curve", CURVES)
def test_N34_noise_of_a_tenth_of_the_fall_moves_it_by_less_than_half_a_decade(curve: str) -> None:
    middle = CURVES[curve][0]
    found = [steepest(losses(*CURVES[curve], seed).tolist()).index for seed in SEEDS]
    assert None not in found
    off = np.abs(DECADES[found] - middle)
    assert off.max() < 0.5, f"{off.max():.2f} decades at most, {off.mean():.2f} on average"


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("axis", ["rate", "decades"])
def test_N34_it_is_nearer_than_the_steepest_difference(curve: str, axis: str) -> None:
    middle, over = CURVES[curve][0], LRS if axis == "rate" else DECADES
    ours, theirs = [], []
    for seed in SEEDS:
        values = losses(*CURVES[curve], seed)
        ours.append(abs(DECADES[steepest(values.tolist()).index] - middle))
        theirs.append(abs(DECADES[naive(values, over)] - middle))
    assert 4 * np.mean(ours) < np.mean(theirs)


@pytest.mark.parametrize("curve", CURVES)
def test_N34_without_noise_it_is_there(curve: str) -> None:
    index = steepest(losses(*CURVES[curve], noise=0.0).tolist()).index
    assert abs(DECADES[index] - CURVES[curve][0]) < 0.1


def test_N34_it_is_not_the_lowest_loss() -> None:
    values = losses(*CURVES["usual"], noise=0.02)
    assert DECADES[steepest(values.tolist()).index] < DECADES[values.argmin()] - 1


def test_N33_a_flat_curve_has_none() -> None:
    place = steepest([2.0] * 100)
    assert place.index is None and "falls nowhere" in place.words


def test_N33_noise_alone_is_hardly_ever_taken_for_a_fall() -> None:
    noise = [np.random.default_rng(seed).normal(2, 0.2, 100).tolist() for seed in range(200)]
    assert sum(steepest(values).index is not None for values in noise) <= 6


def test_N33_a_rising_curve_has_none() -> None:
    assert steepest((1.0 + np.linspace(0, 1, 100) ** 2).tolist()).index is None


def test_N33_too_few_points_have_none() -> None:
    falling = [3.0 - 0.1 * i for i in range(LEAST + 10)]
    place = steepest(falling)
    assert place.index is None and "too few points" in place.words
    assert steepest([]).index is None and steepest(falling, skip_begin=0, skip_end=0).index is not None


def test_N33_ends_are_skipped() -> None:
    early = [9.0, 5.0, 3.0, 2.9, 2.8] + [2.7] * 10 + [2.7 - 0.01 * i for i in range(40)] + [0.1]
    assert steepest(early, skip_begin=0, skip_end=1).index < 5
    assert steepest(early, skip_begin=10, skip_end=1).index >= 10
    assert steepest(early, skip_begin=10, skip_end=0).index <= len(early) - 1


def test_N33_what_is_no_number_is_passed_over() -> None:
    values = losses(*CURVES["usual"], noise=0.0)
    values[[20, 55]], values[-4:] = np.nan, np.inf
    index = steepest(values.tolist()).index
    assert abs(DECADES[index] - CURVES["usual"][0]) < 0.1
    curve = smoothed(values.tolist())
    assert [i for i, value in enumerate(curve) if value is None] == [20, 55, 96, 97, 98, 99]
    assert abs(curve[10] - 2.5) < 0.01


def test_N34_however_far_it_diverges() -> None:
    values = losses(*CURVES["usual"], noise=0.05)
    blown_up = np.where(DECADES > -0.5, 1e12, values)
    assert abs(steepest(blown_up.tolist()).index - steepest(values.tolist()).index) <= 3


@pytest.mark.parametrize("gap", [0.6, 0.8])
@pytest.mark.parametrize("slope", [1e3, 1e6])
def test_N34_however_soon_after_the_fall_it_diverges(gap: float, slope: float) -> None:
    fall = losses(-3.0, 0.2, 9.0, noise=0.05)
    rise = np.where(gap - 3.0 < DECADES, slope * (DECADES - gap + 3.0), 0.0)
    values = (fall + rise)[gap - 2.6 > DECADES]
    assert abs(DECADES[steepest(values.tolist()).index] + 3.0) < 0.3


def test_N34_a_fall_behind_the_minimum_is_none() -> None:
    """A loss that has diverged may come down again, steeper than it ever fell; there is nothing to learn there."""
    values = losses(-3.5, 0.5, 9.0, noise=0.0) + np.maximum(DECADES + 1.5, 0.0)
    values[84:90] += 3.0
    index = steepest(values.tolist()).index
    assert abs(DECADES[index] + 3.5) < 0.5

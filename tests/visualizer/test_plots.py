"""What a figure will draw, and where, without matplotlib."""

from __future__ import annotations

import pytest

from monitorch_widgets.values import TagAttributes, TagType
from monitorch_widgets.visualizer.layout import COLUMNS, TALLEST, lay_out
from monitorch_widgets.visualizer.plots import Collection, merged_order, split_name


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("mean", ("", "mean")),
        ("train_loss", ("train_loss", "")),
        ("train_loss +σ", ("train_loss", "+σ")),
        ("my metric median", ("my metric", "median")),
        ("activation_rate", ("activation_rate", "")),
        ("", ("", "")),
    ],
)
def test_a_name_is_a_series_and_an_aggregation(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize(
    ("known", "coming", "merged"),
    [
        ([], ["a", "b"], ["a", "b"]),
        (["a", "b"], [], ["a", "b"]),
        (["b"], ["a", "b"], ["a", "b"]),
        (["a", "c"], ["a", "b", "c"], ["a", "b", "c"]),
        (["a", "b"], ["c"], ["c", "a", "b"]),
        (["a", "b"], ["b", "a"], ["a", "b"]),
    ],
)
def test_orders_merge(known: list[str], coming: list[str], merged: list[str]) -> None:
    assert merged_order(known, coming) == merged


def test_a_tag_that_nobody_registered_is_drawn_plainly() -> None:
    collection = Collection()
    collection.add(TagType.NUMERICAL, 1, "Loss", {"Loss": {"mean": 1.0}})
    collection.add(TagType.PROBABILITY, 1, "Rate", {"relu": {"r": 0.5}})
    assert list(collection.shown(big=True)) == ["Loss"]
    assert collection.shown(big=False)["Rate"].attributes.type is TagType.PROBABILITY


def test_registered_tags_come_first_and_the_last_attributes_count() -> None:
    collection = Collection()
    collection.add(TagType.NUMERICAL, 1, "B", {"x": {"mean": 1.0}})
    collection.add(TagType.NUMERICAL, 1, "A", {"x": {"mean": 1.0}})
    attributes = TagAttributes(logy=True, big_plot=False, annotate=False, type=TagType.NUMERICAL)
    collection.register("A", attributes)
    assert list(collection.shown(big=False)) == ["A", "B"]
    assert collection.shown(big=False)["A"].attributes is attributes


@pytest.mark.parametrize("big", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("small", [[], [1], [3, 1], [5] * COLUMNS, [2, 9] * COLUMNS, [700] * (COLUMNS + 1)])
def test_plots_lie_inside_and_apart(big: int, small: list[int]) -> None:
    layout = lay_out(big, small, [1] * len(small))
    boxes = [*layout.big, *(box for column in layout.columns for box in column.plots)]
    assert len(boxes) == big + sum(small)
    assert [len(column.plots) for column in layout.columns] == small
    assert layout.size[1] < TALLEST + 30
    for index, box in enumerate(boxes):
        assert box.width > 0 < box.height
        assert box.left > 0 < box.bottom
        assert box.left + box.width < layout.size[0]
        assert box.bottom + box.height < layout.size[1]
        for other in boxes[max(0, index - 30) : index]:
            beside = box.left + box.width <= other.left or other.left + other.width <= box.left
            over = box.bottom + box.height <= other.bottom + 1e-9 or other.bottom + other.height <= box.bottom + 1e-9
            assert beside or over

"""The arguments of a lens: as they are, changed, and as a page may set them."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.inspector.instrument import OFFERED
from monitorch_widgets.lens import AbstractLens, LossMetrics, OutputActivation, OutputNorm
from monitorch_widgets.lens.settings import arguments_of, changed, from_page, settings_of


class Bare(AbstractLens):
    """Has no constructor."""

    def register_leaf_module(self, module: Any, module_name: Any, inspector_state: Any) -> None: ...
    def detach_from_module(self) -> None: ...
    def introduce_tags(self, visualizer: Any) -> None: ...
    def finalize_epoch(self) -> None: ...
    def vizualize(self, visualizer: Any, epoch: int) -> None: ...
    def reset_epoch(self) -> None: ...


class Named(Bare):
    def __init__(self, first: int, *, second: str = "b") -> None:
        self.all = (first, second)


class More(Named):
    def __init__(self, title: str, **more: Any) -> None:
        super().__init__(**more)
        self.title = title


MODEL = nn.Sequential(nn.Linear(1, 1), nn.ReLU())


@pytest.mark.parametrize("kind", OFFERED, ids=lambda kind: kind.__name__)
def test_all_that_is_offered_can_be_made_as_it_is_described(kind: type[AbstractLens]) -> None:
    settings = settings_of(kind)
    assert settings and {setting.kind for setting in settings} <= {"", "switch", "number", "text", "types"}
    given = {setting.name: setting.value for setting in settings if setting.kind}
    lens = kind(**from_page(kind, given, MODEL))
    assert settings_of(kind, arguments_of(lens)) == settings
    assert vars(changed(lens, {})).keys() == vars(lens).keys()


def test_arguments_by_place_by_name_and_by_default() -> None:
    assert arguments_of(Named(3)) == {"first": 3, "second": "b"}
    assert arguments_of(More("t", first=1)) == {"title": "t", "first": 1}
    assert arguments_of(Bare()) == {} and settings_of(Bare) == ()


def test_another_one_with_other_arguments() -> None:
    lens = Named(3, second="c")
    assert changed(lens, {"first": 4}).all == (4, "c") and lens.all == (3, "c")
    more = changed(More("t", first=1), {"second": "d", "title": "u"})
    assert (
        more.all == (1, "d") and more.title == "u" and arguments_of(more) == {"title": "u", "first": 1, "second": "d"}
    )


def test_an_argument_that_it_lacks_is_named_with_the_nearest() -> None:
    with pytest.raises(
        ArgumentError, match=r"expected an argument of Named among 'first', 'second'.*Did you mean 'second'"
    ):
        changed(Named(1), {"secnd": 1})
    with pytest.raises(ArgumentError, match="received 'x'"):
        changed(Bare(), {"x": 1})
    with pytest.raises(TypeError):
        changed(More("t", first=1), {"third": 1})


def test_a_lens_without_an_inspector_is_changed_at_once() -> None:
    lens = Named(1)
    lens.set(second="z")
    assert lens.all == (1, "z") and arguments_of(lens) == {"first": 1, "second": "z"}
    lens.set(first=2)
    assert lens.all == (2, "z") and lens.change is None


@pytest.mark.parametrize(
    ("kind", "given", "made"),
    [
        (OutputNorm, {"include": ["Linear", "ReLU"]}, {"include": (nn.Linear, nn.ReLU)}),
        (OutputNorm, {"include": []}, {"include": ()}),
        (OutputNorm, {"line_aggregation": "mean, median"}, {"line_aggregation": ("mean", "median")}),
        (OutputNorm, {"line_aggregation": "mean"}, {"line_aggregation": "mean"}),
        (OutputNorm, {"log_scale": True}, {"log_scale": True}),
        (OutputNorm, {"every": "5"}, {"every": 5}),
        (OutputNorm, {"every": 5}, {"every": 5}),
        (OutputNorm, {"every": "auto"}, {"every": "auto"}),
        (OutputNorm, {"every": ""}, {"every": None}),
        (OutputActivation, {"dead_window": 9}, {"dead_window": 9}),
    ],
)
def test_plain_values_of_a_page_become_arguments(kind: Any, given: dict[str, Any], made: dict[str, Any]) -> None:
    assert from_page(kind, given, MODEL) == made
    kind(**made)


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        (OutputNorm, None, "expected arguments of OutputNorm by name"),
        (OutputNorm, {"log": True}, "Did you mean 'log_scale'"),
        (OutputNorm, {"log_scale": 1}, "expected log_scale to be True or False"),
        (OutputActivation, {"dead_window": True}, "expected dead_window to be a number"),
        (OutputActivation, {"dead_window": "9"}, "expected dead_window to be a number"),
        (OutputNorm, {"line_aggregation": ["mean"]}, "expected line_aggregation to be text"),
        (OutputNorm, {"include": "Linear"}, "expected include to be a list"),
        (OutputNorm, {"include": [[]]}, "expected include to be a list"),
        (OutputNorm, {"include": ["Conv2d"]}, "expected a module class among 'Sequential', 'Linear', 'ReLU'"),
        (LossMetrics, {"loss_fn": "MSELoss"}, r"set from Python: lens\.set\(loss_fn=\.\.\.\)"),
    ],
)
def test_what_a_page_may_not_set_is_refused(kind: Any, given: Any, words: str) -> None:
    with pytest.raises((ArgumentError, ArgumentTypeError), match=words):
        from_page(kind, given, MODEL)


def test_an_argument_is_offered_as_what_it_is_now() -> None:
    lens = Named(5)
    assert [(setting.name, setting.kind, setting.value) for setting in settings_of(Named, arguments_of(lens))] == [
        ("first", "number", 5),
        ("second", "text", "b"),
    ]
    assert from_page(Named, {"first": 6}, None, arguments_of(lens)) == {"first": 6}
    with pytest.raises(ArgumentError, match="set from Python"):
        from_page(Named, {"first": 6}, None)

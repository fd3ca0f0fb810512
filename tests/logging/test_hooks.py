"""Which hooks may log, and what is logged there when nobody says: the tables of the documents, and the library's."""

from __future__ import annotations

import pytest

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError
from monitorch_widgets.logging.hooks_table import HOOKS, levels_of

STEPS, EPOCHS = (True, False), (False, True)

OF_MODULES = {  # B18
    **dict.fromkeys(
        (
            *("on_after_backward", "on_before_backward", "on_before_optimizer_step", "optimizer_step"),
            *("configure_gradient_clipping", "on_before_zero_grad", "training_step"),
        ),
        STEPS,
    ),
    **dict.fromkeys(("test_step", "validation_step"), EPOCHS),
}
OF_CALLBACKS = {  # B19
    **dict.fromkeys(
        (
            *("on_after_backward", "on_before_backward", "on_before_optimizer_step", "on_before_zero_grad"),
            *("on_train_batch_start", "on_train_batch_end"),
        ),
        STEPS,
    ),
    **dict.fromkeys(
        (
            *("on_train_epoch_start", "on_train_epoch_end", "on_train_start", "on_validation_batch_start"),
            *("on_validation_batch_end", "on_validation_start", "on_validation_epoch_start"),
            "on_validation_epoch_end",
        ),
        EPOCHS,
    ),
}
OF_NOTES = {  # N14
    **dict.fromkeys(("on_train_start", "on_train_epoch_start", "on_train_epoch_end"), EPOCHS),
    **dict.fromkeys(
        ("on_before_backward", "on_after_backward", "on_before_optimizer_step", "on_before_zero_grad"), STEPS
    ),
    **dict.fromkeys(("on_train_batch_start", "on_train_batch_end", "training_step"), STEPS),
    **dict.fromkeys(("on_validation_start", "on_validation_epoch_start", "on_validation_epoch_end"), EPOCHS),
    **dict.fromkeys(("on_validation_batch_start", "on_validation_batch_end", "validation_step"), EPOCHS),
}


@pytest.mark.parametrize("table", [OF_MODULES, OF_CALLBACKS, OF_NOTES], ids=["B18", "B19", "N14"])
def test_B18_B19_N14_defaults_are_those_of_the_documents(table: dict[str, tuple[bool, bool]]) -> None:
    assert {hook: levels_of(hook, "train", None, None) for hook in table} == table


def test_N15_hooks_of_tests_are_as_those_of_validation() -> None:
    of_validation = {hook: defaults for hook, defaults in HOOKS.items() if "validation" in hook}
    assert {hook.replace("validation", "test"): defaults for hook, defaults in of_validation.items()} == {
        hook: defaults for hook, defaults in HOOKS.items() if "test" in hook
    }
    assert len(of_validation) == 6


def test_B18_B19_N14_the_table_is_that_of_the_library_for_every_hook() -> None:
    from lightning.pytorch.trainer.connectors.logger_connector.fx_validator import _FxValidator

    theirs = {hook: rules for hook, rules in _FxValidator.functions.items() if rules is not None}
    assert set(theirs) == set(HOOKS)
    for hook, rules in theirs.items():
        assert levels_of(hook, "train", None, None) == (rules["default_on_step"], rules["default_on_epoch"])
        assert HOOKS[hook].epoch_only == (rules["allowed_on_step"] == (False,))
    for hook in set(_FxValidator.functions) - set(theirs):
        with pytest.raises(ArgumentError, match=hook):
            levels_of(hook, "train", None, None)


@pytest.mark.parametrize("hook", ["on_fit_start", "predict_step", "configure_optimizers", "my_own_hook"])
def test_B20_a_hook_that_can_t_log_is_named_with_what_to_do(hook: str) -> None:
    inspector = PyTorchInspector(visualizer="dummy", strict=True)
    inspector._logbook.hook = hook
    with pytest.raises(ArgumentError, match=f"'{hook}'.*Log in training_step.*issue with a clear description of why"):
        inspector.log("x", 1.0)
    inspector._logbook.hook = ""
    inspector.log("x", 1.0)
    assert inspector.metrics == {"x": 1.0}


@pytest.mark.parametrize("hook", ["on_train_epoch_end", "on_validation_start", "on_test_epoch_end"])
@pytest.mark.parametrize("levels", [(True, None), (True, True), (None, False)])
def test_B08_B09_a_hook_that_runs_once_an_epoch_has_no_steps(
    hook: str, levels: tuple[bool | None, bool | None]
) -> None:
    inspector = PyTorchInspector(visualizer="dummy", strict=True)
    inspector._logbook.hook = hook
    with pytest.raises(ArgumentError, match=hook):
        inspector.log("x", 1.0, on_step=levels[0], on_epoch=levels[1])


def test_B19_one_name_in_two_hooks_is_logged_twice() -> None:
    inspector = PyTorchInspector(visualizer="dummy", strict=True)
    for hook in ("on_train_batch_start", "training_step"):
        inspector._logbook.hook = hook
        inspector.log("x", float(len(hook)), on_epoch=hook == "training_step", batch_size=1)
    inspector._logbook.hook = ""
    inspector.tick_epoch()
    assert inspector.metrics == {"x": 13.0, "x_step": 13.0, "x_epoch": 13.0}

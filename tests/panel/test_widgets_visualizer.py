from __future__ import annotations

import gc
import sys
import time
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from monitorch_widgets.errors import ArgumentError, NotAttachedError
from monitorch_widgets.inspector import PyTorchInspector
from monitorch_widgets.lens import LossMetrics, OutputNorm
from monitorch_widgets.panel.dashboard import Dashboard
from monitorch_widgets.visualizer.widgets import WidgetsVisualizer

from .stage import NORM, Stage, module_infos
from .wire import Wire


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell of IPython as a kernel has it, reachable by get_ipython()."""
    made = InteractiveShell()
    made.history_manager.enabled = False  # type: ignore[union-attr]
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: made)
    yield made
    made.history_manager.end_session()  # type: ignore[union-attr]


def listeners(shell: InteractiveShell) -> int:
    return len([f for f in shell.events.callbacks["post_run_cell"] if "widgets" in f.__module__])


def bound(stage: Stage) -> WidgetsVisualizer:
    visualizer = WidgetsVisualizer()
    visualizer.bind(stage)  # type: ignore[arg-type]
    visualizer.attached()
    visualizer.stage = stage  # type: ignore[attr-defined]  # it does not keep what it is bound to
    return visualizer


def newest_state(wire: Wire, dashboard: Dashboard) -> str:
    """The state of the run as it was sent last; cards go on their own."""
    told = [update["status"]["state"] for update in wire.updates(dashboard) if "status" in update]
    return str(told[-1])


def small() -> tuple[torch.nn.Module, PyTorchInspector]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    loss = torch.nn.MSELoss()
    inspector = PyTorchInspector([LossMetrics(loss_fn=loss), OutputNorm()], module=model, strict=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step() -> None:
        optimizer.zero_grad()
        loss(model(torch.ones(8, 4)), torch.zeros(8, 1)).backward()
        optimizer.step()

    inspector.one_step = step  # type: ignore[attr-defined]
    return model, inspector


def test_B03_the_page_is_told_at_the_rate_of_the_inspector_which_may_change(wire: Wire) -> None:
    model, inspector = small()
    inspector.set(refresh_rate=2)
    dashboard = inspector.show()
    assert dashboard.refresh_rate == 2
    inspector.set(refresh_rate=30)
    assert dashboard.refresh_rate == pytest.approx(30)
    inspector.one_step()  # type: ignore[attr-defined]
    dashboard.send_whole()
    told = [update["status"] for update in wire.updates(dashboard) if "status" in update]
    assert told[-1]["instrument"]["refresh_rate"] == 30
    assert model is not None


def test_nothing_is_made_and_nothing_sent_before_it_is_shown(wire: Wire) -> None:
    stage = Stage()
    visualizer = bound(stage)
    stage.train(5)
    visualizer.refresh(force=True)
    visualizer.finish()
    assert wire.published == []
    dashboard = visualizer.show()
    assert wire.of(dashboard, "comm_open")[0]["state"]["snapshot"]["panels"][0]["rows"]["n"] == 5


def test_a_second_show_is_the_same_dashboard(wire: Wire) -> None:
    visualizer = bound(Stage())
    assert visualizer.show() is visualizer.show()


def test_without_an_inspector_it_says_what_to_do() -> None:
    with pytest.raises(NotAttachedError, match="PyTorchInspector"):
        WidgetsVisualizer().show()
    WidgetsVisualizer().refresh(force=True)
    WidgetsVisualizer().finish()


def test_a_call_that_is_not_due_costs_less_than_five_microseconds(wire: Wire) -> None:
    stage = Stage()
    visualizer = bound(stage)
    dashboard = visualizer.show()
    dashboard._flow.hold(time.monotonic() + 3600)
    stage.train(1)
    costs = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(2000):
            visualizer.refresh()
        costs.append((time.perf_counter() - started) / 2000)
    assert min(costs) < 5e-6
    assert wire.custom(dashboard) == []


def test_the_view_is_known_and_set_before_and_after_showing(wire: Wire) -> None:
    visualizer = bound(Stage(modules=module_infos(30)))
    assert len(visualizer.view["shown"]) == 12
    visualizer.view = {"smooth": 0.5, "panels": {NORM: {"log": False}}}
    assert visualizer.view["smooth"] == 0.5
    dashboard = visualizer.show()
    assert (dashboard.view["smooth"], dashboard.view["panels"][NORM]["log"]) == (0.5, False)
    visualizer.view = {"mode": "map"}
    assert (dashboard.view["mode"], visualizer.view["smooth"]) == ("map", 0.5)
    with pytest.raises(ArgumentError, match="Did you mean 'smooth'"):
        visualizer.view = {"smoth": 1}


def test_the_view_cannot_be_changed_by_accident(wire: Wire) -> None:
    visualizer = bound(Stage())
    visualizer.show()
    with pytest.raises(TypeError):
        visualizer.view["smooth"] = 0.5  # type: ignore[index]
    visualizer.view["shown"].clear()
    assert visualizer.view["shown"]


def test_the_dashboard_follows_the_real_inspector(wire: Wire) -> None:
    _, inspector = small()
    dashboard = inspector.show()
    assert isinstance(dashboard, Dashboard)
    for _ in range(3):
        inspector.one_step()  # type: ignore[attr-defined]
    inspector.visualizer.refresh(force=True)
    sent = wire.custom(dashboard)
    assert sent[-1]["status"]["step"] == 3
    inspector.detach()
    assert newest_state(wire, dashboard) == "detached"


def test_attaching_to_another_model_rebuilds_the_panels(wire: Wire) -> None:
    _, inspector = small()
    dashboard = inspector.show()
    assert [module["name"] for module in dashboard.spec["modules"]] == ["0", "1", "2"]
    inspector.attach(torch.nn.ModuleDict({"a": torch.nn.Linear(4, 8), "b": torch.nn.Tanh()}))
    names = [module["name"] for module in dashboard.spec["modules"]]
    assert {"a", "b"} <= set(names)
    assert dashboard.spec["title"] == "ModuleDict"
    assert "a" in inspector.visualizer.view["shown"]


def test_the_displayed_dashboard_outlives_the_inspector_without_keeping_it(wire: Wire) -> None:
    model, inspector = small()
    dashboard = inspector.show()
    inspector.one_step()  # type: ignore[attr-defined]
    inspector.history  # noqa: B018
    gone = weakref.ref(inspector)
    del inspector, model
    gc.collect()
    assert gone() is None
    state = dashboard.get_state(["status", "snapshot"])
    assert state["status"]["state"] == "detached"
    assert state["snapshot"]["panels"][1]["rows"]["n"] == 1


def test_the_end_of_a_cell_finishes_until_the_inspector_leaves(wire: Wire, shell: InteractiveShell) -> None:
    _, inspector = small()
    dashboard = inspector.show()
    assert listeners(shell) == 1
    inspector.one_step()  # type: ignore[attr-defined]
    shell.events.trigger("post_run_cell", None)
    assert newest_state(wire, dashboard) == "finished"
    inspector.detach()
    assert listeners(shell) == 0
    inspector.attach(torch.nn.Linear(2, 2))
    assert listeners(shell) == 1
    del inspector
    gc.collect()
    assert listeners(shell) == 0


def test_outside_jupyter_the_inspector_is_a_line_of_text(wire: Wire) -> None:
    _, inspector = small()
    assert inspector.visualizer.mimebundle() is None
    assert "inspector.show()" in repr(inspector)
    assert wire.published == []


def test_in_a_kernel_it_draws_the_dashboard(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    events: dict[str, list[Any]] = {"post_run_cell": []}
    shell = SimpleNamespace(
        kernel=object(),
        events=SimpleNamespace(
            callbacks=events, register=lambda name, f: events[name].append(f), unregister=lambda name, f: None
        ),
    )
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    visualizer = bound(Stage())
    data, _ = visualizer._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == visualizer.show().model_id


def test_a_static_figure_of_the_epochs(wire: Wire) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    _, inspector = small()
    for _ in range(2):
        inspector.one_step()  # type: ignore[attr-defined]
        inspector.tick_epoch()
    figure = inspector.visualizer.show_fig()
    drawn = [line for axes in figure.get_axes() for line in axes.get_lines() if len(line.get_xdata()) == 2]
    assert drawn
    inspector.visualizer.reset_fig()
    inspector.one_step()  # type: ignore[attr-defined]
    inspector.tick_epoch()
    figure = inspector.visualizer.show_fig()
    assert all(len(line.get_xdata()) != 2 for axes in figure.get_axes() for line in axes.get_lines())
    pyplot.close("all")

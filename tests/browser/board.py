"""A dashboard on the page: where its controls are, and what it has drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Locator, Page

from tests.browser.lab import until

# Everything drawn in the panels that are seen: paths by mark and name, tick labels of the axes, the map's pixels.
LOOK = """
(root) => {
  const hash = (text) => {
    let sum = 0;
    for (let i = 0; i < text.length; i++) sum = (sum * 31 + text.charCodeAt(i)) | 0;
    return sum;
  };
  const panels = {};
  for (const element of root.querySelectorAll("[data-testid=mw-panel]")) {
    if (!element.getClientRects().length) continue;
    const box = element.querySelector(".mw-plot").getBoundingClientRect();
    const panel = { width: Math.round(box.width), height: Math.round(box.height), marks: {}, axes: {}, map: "" };
    for (const group of element.querySelectorAll(".mw-mark")) {
      if (getComputedStyle(group).display === "none") continue;
      const mark = [...group.classList].find((name) => name.startsWith("mw-mark-")).slice(8);
      const ticks = [...group.querySelectorAll(".tick text")];
      if (mark.startsWith("axis")) panel.axes[mark] = ticks.map((tick) => tick.textContent);
      else if (mark === "image") panel.map = String(hash(group.querySelector("image")?.getAttribute("href") ?? ""));
      else {
        const shape = mark.startsWith("band") ? ".area" : ".line";
        const curves = [...group.querySelectorAll(".curve")].map((curve) => {
          const path = curve.querySelector(shape)?.getAttribute("d") ?? "";
          const points = (path.match(/[ML]/g) ?? []).length;
          return { name: curve.dataset.name ?? "", points, path: path && hash(path) };
        });
        panel.marks[mark] = curves.filter(({ path }) => path);
      }
    }
    panels[element.dataset.tag] = panel;
  }
  return panels;
}
"""


@dataclass(frozen=True)
class Panel:
    """What one panel has drawn."""

    width: int
    height: int
    marks: dict[str, list[dict[str, Any]]]
    axes: dict[str, list[str]]
    map: str

    def names(self, mark: str = "mean") -> list[str]:
        return sorted(curve["name"] for curve in self.marks.get(mark, []))

    def points(self, mark: str = "mean") -> int:
        return max((curve["points"] for curve in self.marks.get(mark, [])), default=0)

    @property
    def log(self) -> bool:
        return "axis_ylog" in self.axes


Picture = dict[str, Panel]  # by tag; only what is seen
Do = Callable[[], object]
Holds = Callable[[Picture, Picture], bool]  # of the picture before and the one now


@dataclass(frozen=True)
class Action:
    """Something a person does, and what must then be different in the picture."""

    words: str
    do: Do
    holds: Holds = field(repr=False)


class Board:
    """One dashboard on the page, the first unless told otherwise."""

    def __init__(self, page: Page, which: int = 0) -> None:
        self.page = page
        self.root = page.get_by_test_id("mw-root").nth(which)

    def part(self, testid: str, panel: str | None = None) -> Locator:
        within = self.root if panel is None else self.panel(panel)
        return within.get_by_test_id(testid)

    def look_at(self, tag: str) -> bool:
        """Scroll to a panel; asked for again and again, for panels are built anew when a name joins them."""
        self.panel(tag).evaluate("panel => panel.scrollIntoView({block: 'center'})")
        return True

    def panel(self, tag: str) -> Locator:
        return self.root.locator(f"[data-testid=mw-panel][data-tag='{tag}']")

    def row(self, module: str) -> Locator:
        return self.root.locator(f"[data-testid=mw-module][data-name='{module}']")

    @property
    def state(self) -> str | None:
        return self.part("mw-state").get_attribute("data-state")

    def wait_state(self, state: str) -> None:
        until(lambda: self.state == state, f"the state did not become {state}")

    @property
    def modules(self) -> list[str]:
        """Names in the picker, in its order."""
        names: list[str] = self.part("mw-module").evaluate_all("rows => rows.map((row) => row.dataset.name)")
        return names

    def shown(self) -> list[str]:
        """Names whose box is ticked."""
        names: list[str] = self.part("mw-module").evaluate_all(
            "rows => rows.filter((row) => row.querySelector('input').checked).map((row) => row.dataset.name)"
        )
        return names

    def picture(self) -> Picture:
        return {tag: Panel(**panel) for tag, panel in self.root.evaluate(LOOK).items()}

    def until(self, holds: Callable[[Picture], bool], otherwise: str, within_s: float = 10) -> Picture:
        """Look until the picture is as it should be."""

        def look() -> Picture | None:
            picture = self.picture()
            return picture if holds(picture) else None

        try:
            return until(look, otherwise, within_s) or {}
        except AssertionError as error:
            raise AssertionError(f"{error}; drawn: {self.summary()}") from None

    def wait_drawings(self, count: int) -> None:
        """Wait until it was drawn anew so many times."""
        before = int(self.root.get_attribute("data-drawn") or 0)
        until(lambda: int(self.root.get_attribute("data-drawn") or 0) >= before + count, "nothing was drawn")

    def summary(self) -> str:
        """What is drawn, in few words."""
        return "; ".join(
            f"{tag} {panel.width}x{panel.height} map={bool(panel.map)} {panel.axes} "
            + " ".join(f"{mark}:{len(curves)}" for mark, curves in panel.marks.items() if curves)
            for tag, panel in self.picture().items()
        )

    def on_curve(self, tag: str, name: str) -> tuple[float, float]:
        """A place on the page where a module's mean runs."""
        curve = self.panel(tag).locator(f".mw-mark-mean .curve[data-name='{name}'] .line")
        x, y = curve.evaluate(
            "(line) => { const at = line.getPointAtLength(line.getTotalLength() * 0.5)"
            ".matrixTransform(line.getScreenCTM()); return [at.x, at.y] }"
        )
        return x, y

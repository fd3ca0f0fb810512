"""A notebook that is driven cell by cell, as the tests open it: it can be saved, and its theme changed."""

from __future__ import annotations

from benchmarks import notebook
from benchmarks.jupyter import App, Server, until

__all__ = ["App", "Notebook", "Server", "until"]


class Notebook(notebook.Notebook):
    """An open notebook, in JupyterLab or in Notebook 7."""

    def save(self) -> None:
        """Save the notebook, and wait until it is."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def theme(self, dark: bool) -> None:
        """Change the front end's theme."""
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        self.page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
        self.page.wait_for_function(
            "(light) => document.body.dataset.jpThemeLight === light", arg="false" if dark else "true"
        )
        # JupyterLab's splash covers everything while the theme changes, and fades
        self.page.wait_for_function("() => !document.getElementById('jupyterlab-splash')")

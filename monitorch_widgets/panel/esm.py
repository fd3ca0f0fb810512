"""The page as one ES module: the files of static/ joined in order of need, without a bundler."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
STYLES = (STATIC / "page.css", STATIC / "cards.css", STATIC / "performance.css")

_IMPORT = re.compile(r"^import [^;]*? from \"\./([\w.]+)\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default\b)(?:\{\};\n)?", re.MULTILINE)
_TOP = re.compile(r"^(?:async )?(?:function\*?|class|const|let|var) ([\w$]+)", re.MULTILINE)


@cache
def page_source(main: str = "main.js", folder: Path = STATIC) -> str:
    """Return the source of the page, to be anywidget's `_esm`.

    All files share one scope, so a name at the top level of two of them raises :class:`ValueError`.
    """
    parts: dict[str, str] = {}
    _join(folder, main, parts)
    owners: dict[str, str] = {}
    for file, source in parts.items():
        for name in _TOP.findall(source):
            if name in owners:
                raise ValueError(f"{owners[name]} and {file} both define {name!r}; top-level names must differ.")
            owners[name] = file
    return "\n".join(f"// ---- {file}\n{source}" for file, source in parts.items())


@cache
def page_style() -> str:
    """Return the style sheet of the page, to be anywidget's `_css`."""
    return "\n".join(file.read_text(encoding="utf-8") for file in STYLES)


def _join(folder: Path, file: str, parts: dict[str, str]) -> None:
    """Add a file to `parts`, behind those that it imports."""
    source = (folder / file).read_text(encoding="utf-8")
    for needed in _IMPORT.findall(source):
        if needed not in parts:
            _join(folder, needed, parts)
    parts[file] = _EXPORT.sub("", _IMPORT.sub("", source))

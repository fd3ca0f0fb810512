"""Where journals lie: a folder of this machine, or one that fsspec knows."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast
from uuid import uuid4

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError

SUFFIX = ".journal"
_PROTOCOLS = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "adl": "adlfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "hdfs": "pyarrow",
}


class Place(Protocol):
    """A folder of journals."""

    def path(self, name: str) -> str:
        """Where a file of the folder lies."""

    def claim(self, name: str, content: bytes) -> bool:
        """Make a file that was not there; False where it was."""

    def append(self, name: str, content: bytes) -> None:
        """Write behind the end of a file that is there."""

    def names(self) -> list[str]:
        """Files of the folder."""

    def open(self, name: str) -> tuple[BinaryIO, int]:
        """A file to be read, and its size."""


class Local:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self) -> None:
        """Make the folder, and see that it can be written to."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArgumentError(
                f"expected a folder for the journal; received {str(self._folder)!r}, which can't be made: {error}. "
                "Name another one."
            ) from error
        if not os.access(self._folder, os.W_OK):
            raise ArgumentError(f"expected a folder that can be written to; {str(self._folder)!r} can't. Name another.")

    def path(self, name: str) -> str:
        """See base class."""
        return str(self._folder / name)

    def claim(self, name: str, content: bytes) -> bool:
        """See base class."""
        try:
            with open(self._folder / name, "xb") as file:
                file.write(content)
        except FileExistsError:
            return False
        return True

    def append(self, name: str, content: bytes) -> None:
        """See base class; a file that was taken away is not begun anew."""
        with open(self._folder / name, "r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(content)

    def names(self) -> list[str]:
        """See base class."""
        return os.listdir(self._folder)

    def open(self, name: str) -> tuple[BinaryIO, int]:
        """See base class."""
        path = self._folder / name
        return open(path, "rb"), path.stat().st_size


class Remote:
    """A folder of a file system that fsspec knows."""

    def __init__(self, system: Any, folder: str, url: str) -> None:
        self._system, self._folder, self._url = system, folder.rstrip("/"), url.rstrip("/")

    def prepare(self) -> None:
        """Make the folder, and see that files in it can be appended to."""
        probe = f"{self._folder}/.probe-{uuid4().hex}"
        try:
            self._system.makedirs(self._folder, exist_ok=True)
            self._system.pipe_file(probe, b"a")
            self._add(probe, b"b")
            whole = self._system.cat_file(probe)
        except Exception as error:
            raise ArgumentError(
                f"expected a file system that files can be appended to; {self._url!r} can't: "
                f"{type(error).__name__}: {error}. Write to a local folder, and copy it."
            ) from error
        finally:
            with suppress(Exception):
                self._system.rm_file(probe)
        if whole != b"ab":
            raise ArgumentError(
                f"expected a file system that files can be appended to; {self._url!r} overwrites them. Write to a "
                "local folder, and copy it."
            )

    def _add(self, path: str, content: bytes) -> None:
        with self._system.open(path, "ab") as file:
            file.write(content)

    def path(self, name: str) -> str:
        """See base class."""
        return f"{self._url}/{name}"

    def claim(self, name: str, content: bytes) -> bool:
        """See base class."""
        path = f"{self._folder}/{name}"
        if self._system.exists(path):
            return False
        self._system.pipe_file(path, content)
        return True

    def append(self, name: str, content: bytes) -> None:
        """See base class; a file that was taken away is not begun anew."""
        path = f"{self._folder}/{name}"
        if not self._system.exists(path):
            raise FileNotFoundError(path)
        self._add(path, content)

    def names(self) -> list[str]:
        """See base class."""
        return [path.rpartition("/")[2] for path in self._system.ls(self._folder, detail=False)]

    def open(self, name: str) -> tuple[BinaryIO, int]:
        """See base class."""
        path = f"{self._folder}/{name}"
        return cast("BinaryIO", self._system.open(path, "rb")), int(self._system.size(path))


def place_of(save_dir: str | os.PathLike[str]) -> Local | Remote:
    """The folder of a path, or of a URL."""
    path = _checked_path(save_dir)
    if "://" not in path:
        return Local(Path(path).expanduser())
    system, folder = _known(path)
    return Remote(system, folder, path)


def file_of(path: str | os.PathLike[str]) -> tuple[Place, str]:
    """The folder and the name of a journal: a file, or the newest one of a folder."""
    text = _checked_path(path)
    if "://" in text:
        system, inside = _known(text)
        is_folder = bool(system.isdir(inside))
    else:
        is_folder = Path(text).expanduser().is_dir()
    if not is_folder:
        head, mark, name = text.rstrip("/").rpartition("/") if "://" in text else _split(text)
        return place_of(head + mark), name
    place = place_of(text)
    names = [name for name in place.names() if name.endswith(SUFFIX)]
    if not names:
        raise ArgumentError(f"expected a folder with a journal (*{SUFFIX}); {text!r} has none.")
    return place, max(names, key=_age)


def _split(path: str) -> tuple[str, str, str]:
    whole = Path(path).expanduser()
    return str(whole.parent), "", whole.name


def _age(name: str) -> tuple[str, int, str]:
    """What tells newer files from older ones: the date, and a count of those with the same one."""
    parts = name.removesuffix(SUFFIX).split("-")
    count = int(parts[2]) if len(parts) == 3 and parts[2].isdecimal() else 1
    return "-".join(parts[:2]), count, name


def _checked_path(path: object) -> str:
    if not isinstance(path, str | os.PathLike):
        raise ArgumentTypeError(f"expected a path or a URL of a journal; received {path!r}. Try 'runs'.")
    text = os.fspath(path)
    if not isinstance(text, str) or not text:
        raise ArgumentError(f"expected a path or a URL of a journal; received {path!r}. Try 'runs'.")
    return text


def _known(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path there."""
    try:
        from fsspec.core import url_to_fs

        system, inside = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ArgumentError(
            f"expected a folder, or a URL that something installed can write to; received {url!r}: {error}. "
            f"Install {packages_for(url)}, or use a local folder and copy it"
        ) from error
    return system, inside


def packages_for(url: str) -> str:
    """What to install for a URL."""
    return "fsspec " + _PROTOCOLS.get(url.partition("://")[0], "and its package for the protocol")

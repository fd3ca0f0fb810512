"""The bytes of a journal: one line that says what it is, then blocks, each with a check of its own.

A block is the line ``<check> <JSON>``, and behind it as many bytes of little-endian numbers as the JSON's ``bytes``
says. The check is the CRC-32 of the JSON and the numbers. Only what a check confirms is believed, nothing is run, and
nothing is asked for by a size that the file itself does not have.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeGuard

import numpy as np
import numpy.typing as npt

from monitorch_widgets.errors import ArgumentError

FORMAT, VERSION = "monitorch_widgets journal", 1
_HEADER = 2**12  # bytes of the first line at most
_LINE = 2**24  # of a block's line
_CHUNK = 2**20  # that are checked at a time

READINGS = ("readings", "results")
Head = dict[str, Any]
Numbers = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a file: what its line says, and where its numbers lie."""

    head: Head
    start: int
    size: int


def header(began: str) -> bytes:
    """The first line of a journal."""
    return json.dumps({"format": FORMAT, "version": VERSION, "began": began}).encode() + b"\n"


def encoded(head: Head, *numbers: Numbers) -> bytes:
    """A block."""
    payload = b"".join(part.astype(part.dtype.newbyteorder("<"), copy=False).tobytes() for part in numbers)
    text = json.dumps({**head, "bytes": len(payload)}, separators=(",", ":"), default=float).encode()
    if len(text) > _LINE - 16:
        raise ValueError(f"a line of {len(text)} bytes is too long for the journal")
    return b"%08x %s\n" % (zlib.crc32(payload, zlib.crc32(text)), text) + payload


def scan(file: BinaryIO, size: int, name: str) -> tuple[Head, list[Block], bool]:
    """The header, the blocks up to the first that is not whole, and whether there was such a one."""
    first = _checked_header(file.readline(_HEADER), name)
    blocks: list[Block] = []
    start = file.tell()
    while start < size:
        block = _next(file, size)
        if block is None:
            return first, blocks, True
        blocks.append(block)
        start = block.start + block.size
    return first, blocks, False


def _checked_header(line: bytes, name: str) -> Head:
    found = _parsed(line) or {}
    if found.get("format") != FORMAT:
        raise ArgumentError(f"expected a journal, a file that PyTorchInspector(journal=...) wrote; received {name!r}.")
    if found.get("version") != VERSION:
        raise ArgumentError(
            f"expected a journal of version {VERSION}; {name!r} has {found.get('version')!r}. Update monitorch_widgets."
        )
    return found


def _next(file: BinaryIO, size: int) -> Block | None:
    line = file.readline(_LINE)
    head = _parsed(line[9:])
    start = file.tell()
    length = None if head is None else head.get("bytes")
    if head is None or not is_count(length) or length > size - start:
        return None
    check = zlib.crc32(line[9:-1])
    for place in range(0, length, _CHUNK):
        check = zlib.crc32(file.read(min(_CHUNK, length - place)), check)
    return Block(head, start, length) if line[:9] == b"%08x " % check and _is_sound(head) else None


def _parsed(line: bytes) -> Head | None:
    """The JSON of a whole line, if it is a mapping."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def is_count(number: object) -> TypeGuard[int]:
    """Whether something is an integer of 0 or more."""
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _is_sound(head: Head) -> bool:
    """Whether a block of numbers has as many as it says."""
    kind, length = head.get("kind"), head["bytes"]
    if kind == "rows":
        rows, columns = head.get("rows"), head.get("columns")
        if not (_is_tag(head) and is_count(rows) and is_count(columns)):
            return False
        return bool(length == 4 * columns + 16 * rows + 8 * rows * columns)
    if kind in READINGS:
        count, parts = head.get("readings"), head.get("parts")
        whole = isinstance(parts, list) and all(map(is_count, parts)) and sum(parts) == count
        return _is_tag(head) and is_count(count) and whole and length == 28 * head["readings"]
    if kind == "columns":
        names = head.get("names")
        return _is_tag(head) and isinstance(names, list) and all(isinstance(name, str) for name in names)
    return True


def _is_tag(head: Head) -> bool:
    return isinstance(head.get("tag"), str)


def encoded_rows(tag: str, columns: Numbers, steps: Numbers, seconds: Numbers, values: Numbers) -> bytes:
    """A block of whole rows: each column has a reading at each step."""
    head = {"kind": "rows", "tag": tag, "rows": len(steps), "columns": len(columns)}
    return encoded(head, columns.astype(np.int32), steps, seconds, values)


def encoded_readings(
    kind: str, tag: str, parts: list[int], columns: Numbers, steps: Numbers, seconds: Numbers, values: Numbers
) -> bytes:
    """A block of readings one by one; `parts` are the numbers of those that came together."""
    head = {"kind": kind, "tag": tag, "readings": len(values), "parts": parts}
    return encoded(head, columns.astype(np.int32), steps, seconds, values)


def decoded(block: Block, payload: bytes) -> tuple[Numbers, Numbers, Numbers, Numbers, list[int]]:
    """Columns, steps, seconds and values of a block of numbers, one of each for each reading, and its parts."""
    head = block.head
    whole = head["kind"] == "rows"
    places, times = (head["columns"], head["rows"]) if whole else (head["readings"], head["readings"])
    columns = np.frombuffer(payload, "<i4", places)
    steps = np.frombuffer(payload, "<i8", times, 4 * places)
    seconds = np.frombuffer(payload, "<f8", times, 4 * places + 8 * times)
    values = np.frombuffer(payload, "<f8", -1, 4 * places + 16 * times)
    if whole:
        return np.tile(columns, times), np.repeat(steps, places), np.repeat(seconds, places), values, [len(values)]
    return columns, steps, seconds, values, head["parts"]

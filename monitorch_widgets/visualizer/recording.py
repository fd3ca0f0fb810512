r"""The format of a recording: what a line of it holds, and how a call becomes a line and back.

A recording is a text file with one JSON object per line. The first line says what it is::

    {"format": "monitorch_widgets recording", "schema": 1}

Every further line is one call of a visualizer, as it was made::

    {"method": "register_tags", "main_tag": "Loss", "tag_attr": {"logy": false, ..., "type": "NUMERICAL"}}
    {"method": "plot_numerical_values", "epoch": 1, "main_tag": "Loss", "values": {"Loss": {"train_loss mean": 0.5}},
     "ranges": {"Loss": [["train_loss min", "train_loss max", 0.4, 0.6]]}}

JSON knows no NaN and no infinity: they are the strings "nan", "inf" and "-inf". A reader passes over keys that it
does not know; a change that an older reader would misread raises the schema's number. Nothing in a recording can
name code: what a line may call is the table at the end of this file.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from monitorch_widgets.errors import ArgumentError, unknown_name
from monitorch_widgets.values import TagAttributes, TagType

from .abstract import Ranges, Values

FORMAT = "monitorch_widgets recording"
SCHEMA = 1

Fields = dict[str, Any]
Arguments = tuple[Any, ...]


def header_line() -> str:
    """First line of a recording."""
    return json.dumps({"format": FORMAT, "schema": SCHEMA}) + "\n"


def call_line(method: str, **fields: object) -> str:
    """Line of one call; `fields` hold what :func:`json.dumps` takes, without NaN."""
    return json.dumps({"method": method, **fields}, allow_nan=False) + "\n"


def parse_header(line: bytes) -> None:
    """Check that a first line begins a recording that this version reads.

    Raises
    ------
    ArgumentError
        For a pickle, for any other file, and for a newer schema.
    """
    if line[:1] == b"\x80":
        raise ArgumentError(
            f"expected a {FORMAT}; received a pickle, which could run code of whoever made it: not opened. "
            "Record the run again with this package's RecorderVisualizer"
        )
    head = _object(line)
    if head is None or head.get("format") != FORMAT:
        raise ArgumentError(f"expected a {FORMAT}, as RecorderVisualizer writes it; received {line[:60]!r}")
    if head.get("schema") != SCHEMA:
        raise ArgumentError(
            f"expected schema {SCHEMA}; received {head.get('schema')!r}. A newer monitorch_widgets wrote it: upgrade"
        )


def parse_call(line: bytes, number: int) -> tuple[str, Arguments]:
    """Method and positional arguments of one line.

    Parameters
    ----------
    line : bytes
        The line.
    number : int
        Its number, for the error.

    Raises
    ------
    ArgumentError
        If the line is no call, names an unknown method, or lacks what the method needs.
    """
    call = _object(line)
    if call is None:
        raise ArgumentError(f"line {number}: expected one JSON object; received {line[:60]!r}")
    method = call.get("method")
    if not isinstance(method, str) or method not in _PARSERS:
        raise ArgumentError(f"line {number}: {unknown_name('method', method, _PARSERS)}")
    try:
        return method, _PARSERS[method](call)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArgumentError(f"line {number}: expected a call of {method}; {type(error).__name__}: {error}") from None


def is_complete(line: bytes) -> bool:
    """Whether a line was written to its end; the last one of a killed run may not be."""
    return line.endswith(b"\n") or _object(line) is not None


def attributes_fields(tag_attr: TagAttributes) -> Fields:
    """Plain fields of the attributes of a tag."""
    return {
        "logy": bool(tag_attr.logy),
        "big_plot": bool(tag_attr.big_plot),
        "annotate": bool(tag_attr.annotate),
        "type": tag_attr.type.name,
        "ylim": None if tag_attr.ylim is None else [_limit(limit, _plain) for limit in tag_attr.ylim],
    }


def values_fields(values_dict: Values) -> Fields:
    """Plain fields of values, NaN and infinity as strings."""
    return {tag: {name: _plain(value) for name, value in values.items()} for tag, values in values_dict.items()}


def ranges_fields(ranges_dict: Ranges | None) -> Fields | None:
    """Plain fields of ranges; a pair of names is no JSON key, so each range is a list of four."""
    if ranges_dict is None:
        return None
    return {
        tag: [[*ends, _plain(low), _plain(high)] for ends, (low, high) in ranges.items()]
        for tag, ranges in ranges_dict.items()
    }


def _plain(value: float) -> float | str:
    number = float(value)
    return number if math.isfinite(number) else str(number)


def _limit(limit: Any, otherwise: Callable[[Any], Any]) -> Any:
    # A limit is mostly written 0 or 1, and is printed so.
    return limit if type(limit) is int else otherwise(limit)


def _object(line: bytes) -> Fields | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _attributes(fields: Fields) -> TagAttributes:
    ylim = fields.get("ylim")
    return TagAttributes(
        logy=bool(fields["logy"]),
        big_plot=bool(fields["big_plot"]),
        annotate=bool(fields["annotate"]),
        type=TagType[fields["type"]],
        ylim=None if ylim is None else (_limit(ylim[0], float), _limit(ylim[1], float)),
    )


def _values(fields: Mapping[str, Mapping[str, Any]]) -> OrderedDict[str, dict[str, float]]:
    rows = ((tag, {name: float(value) for name, value in values.items()}) for tag, values in fields.items())
    return OrderedDict(rows)


def _ranges(fields: Mapping[str, Any] | None) -> OrderedDict[str, dict[tuple[str, str], tuple[float, float]]] | None:
    if fields is None:
        return None
    rows = (
        (tag, {(str(a), str(b)): (float(low), float(high)) for a, b, low, high in ranges})
        for tag, ranges in fields.items()
    )
    return OrderedDict(rows)


def _epoch_values(call: Fields) -> Arguments:
    return int(call["epoch"]), str(call["main_tag"]), _values(call["values"])


_PARSERS: dict[str, Callable[[Fields], Arguments]] = {
    "register_tags": lambda call: (str(call["main_tag"]), _attributes(call["tag_attr"])),
    "plot_numerical_values": lambda call: (*_epoch_values(call), _ranges(call.get("ranges"))),
    "plot_probabilities": _epoch_values,
    "plot_relations": _epoch_values,
}

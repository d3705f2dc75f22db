"""JSON values as the source writes them: a number keeps its digits. Pure."""

from __future__ import annotations

import json
from typing import Any


class Number(str):
    """A number's digits, as they are written."""

    __slots__ = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")  # which of its values is meant?
    return found


_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=Number, object_pairs_hook=_object)


def record(line: bytes) -> dict[str, Any]:
    """The object that a line holds.

    Raises:
        ValueError: it holds none, or one that has a key twice.
        RecursionError: it is nested too deeply.
    """
    found = _DECODER.decode(line.decode())
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def written(value: Any) -> str:
    """A value as JSON, its numbers with the digits that they had."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)}: {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return _text(value)


_text = json.JSONEncoder(ensure_ascii=False).encode


def as_cell(value: Any) -> bytes | None:
    """A scalar as the bytes that a text file would hold."""
    if value is None:
        return None
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return str(value).encode("utf-8", "surrogatepass")

"""Values written down: bytes as text, and nested values as JSON. Pure."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from sluice.contract.values.grammars import NUL
from sluice.contract.values.spellings import UNREAD


def nested(array: pa.Array) -> list[Any]:
    """Nested values as Python's, maps as dictionaries; a map that has a key twice stays a list of pairs."""
    try:
        return list(array.to_pylist(maps_as_pydicts="strict"))
    except (KeyError, TypeError):  # a value does not depend on its neighbours
        return [_nested(cell) for cell in array]


def _nested(cell: pa.Scalar) -> Any:
    try:
        return cell.as_py(maps_as_pydicts="strict")
    except (KeyError, TypeError):
        return cell.as_py()


def as_json(value: Any) -> str:
    """A nested value as JSON: decimals and moments as text, bytes in hexadecimal; UNREAD if JSON cannot hold it."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except (ValueError, TypeError):
        return UNREAD
    return UNREAD if NUL.search(text) else text


def _plain(value: Any) -> Any:
    return readable(value) if isinstance(value, bytes) else str(value)


def readable(raw: bytes) -> str:
    """Bytes as text, or as `\\x` and hexadecimal digits if they are not UTF-8 or hold a NUL."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "\\x" + raw.hex()
    return "\\x" + raw.hex() if "\0" in text else text

"""Values of a row as a sample of the audit shows them, which is how PostgreSQL writes them in JSON. Pure."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

from sluice.contract.columns import ColumnType

Key = str | int | float | bytes | None  # what SQLite compares as PostgreSQL compares the value


def key(kind: ColumnType, value: Any) -> Key:
    """A value so that equal values, and only those, have equal keys."""
    if value is None or kind.name in ("integer", "text", "bytes"):
        return value
    if kind.name == "float":
        return float(value)
    if kind.name == "boolean":
        return int(value)
    if kind.name == "uuid":
        return str(UUID(bytes=value))
    if kind.name == "json":
        return json.dumps(_canonical(json.loads(value, parse_float=Decimal)), ensure_ascii=False, sort_keys=True)
    if kind.name.startswith("decimal"):
        return str(value)
    text = str(value.isoformat())
    head, dot, fraction = text.partition(".")
    digits, zone = (fraction[:6], fraction[6:]) if dot else ("", "")
    return f"{head}.{digits.rstrip('0')}{zone}" if digits.rstrip("0") else f"{head}{zone}"


def of_key(kind: ColumnType, stored: Key) -> Any:
    """The value in JSON that a key is of."""
    if stored is None:
        return None
    if kind.name == "bytes" and isinstance(stored, bytes):
        return f"\\x{stored.hex()}"
    if kind.name == "boolean":
        return bool(stored)
    if kind.name == "float" and isinstance(stored, float):
        return int(Decimal(repr(stored))) if stored.is_integer() else stored
    if kind.name == "json":
        return json.loads(str(stored))
    if kind.name.startswith("decimal"):
        number = Decimal(str(stored))
        return int(number) if number == number.to_integral_value() else float(number)
    return stored


def shown(kind: ColumnType, value: Any) -> Any:
    """A value in JSON: times as ISO 8601 texts, bytes in hexadecimal digits."""
    if kind.name == "json" and value is not None:
        return json.loads(value)
    return of_key(kind, key(kind, value))


def _canonical(value: Any) -> Any:
    """JSON in which equal numbers are one text: 1 and 1.0 are equal to PostgreSQL."""
    if isinstance(value, dict):
        return {name: _canonical(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value

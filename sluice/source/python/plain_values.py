"""Values of Python as JSON holds them, so that the reader of a JSON file spells them as the source did. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from sluice.contract.errors import DataError


def line_of(row: Mapping[Any, Any], where: str) -> str:
    """A row as one line of JSON Lines.

    Args:
        where: which row it is, for messages.

    Raises:
        DataError: a name is not text, or a value is of a type that no column holds.
    """
    strange = next((name for name in row if not isinstance(name, str)), None)
    if strange is not None:
        raise DataError(f"{where}: its names must be text, but one is {strange!r}")
    plain = {name: _plain(value, f"{where}: {name}") for name, value in row.items()}
    return json.dumps(plain, ensure_ascii=False, allow_nan=False)


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)  # text, which no number is: its row is rejected
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, datetime | date | time):
        return None if value != value else value.isoformat()  # NaT of pandas
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise DataError(
                f"{where}: bytes that cannot be decoded as text belong in a pyarrow table, not in dicts"
            ) from None
    if isinstance(value, Mapping):
        return {str(name): _plain(each, where) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, where) for each in value]
    if type(value).__name__ in ("NAType", "NaTType"):  # of pandas, which a dict may hold
        return None
    for method in ("as_py", "item"):  # a scalar of Arrow, of NumPy
        if callable(convert := getattr(value, method, None)):
            return _plain(convert(), where)
    raise DataError(f"{where}: a value of type {type(value).__name__} is not one that a column can hold")

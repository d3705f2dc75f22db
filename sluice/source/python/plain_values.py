"""Values of Python as JSON holds them, so that the reader of a JSON file spells them as the source did. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Container, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from sluice.contract.errors import DataError


def line_of(row: Mapping[Any, Any], where: str, words: Container[str] = ()) -> str:
    """A row as one line of JSON Lines. NaN is null, as that of a frame is.

    Args:
        where: which row it is, for messages.
        words: columns that hold any text: infinity is refused there, where its word would pass. In others that word
            rejects the row.

    Raises:
        DataError: a name is not text, a value is of a type that no column holds, or infinity is in one of `words`.
    """
    strange = next((name for name in row if not isinstance(name, str)), None)
    if strange is not None:
        raise DataError(f"{where}: its names must be text, but one is {strange!r}")
    plain = {name: _plain(value, f"{where}: {name}", name in words) for name, value in row.items()}
    return json.dumps(plain, ensure_ascii=False, allow_nan=False)


def _plain(value: Any, where: str, any_text: bool) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | Decimal):
        return _number(value, where, any_text)
    if isinstance(value, UUID):
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
        return {str(name): _plain(each, where, any_text) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, where, any_text) for each in value]
    if type(value).__name__ in ("NAType", "NaTType"):  # of pandas, which a dict may hold
        return None
    for method in ("as_py", "item"):  # a scalar of Arrow, of NumPy
        if callable(convert := getattr(value, method, None)):
            return _plain(convert(), where, any_text)
    raise DataError(f"{where}: a value of type {type(value).__name__} is not one that a column can hold")


def _number(value: float | Decimal, where: str, any_text: bool) -> float | str | None:
    if isinstance(value, Decimal):
        nan, infinite = value.is_nan(), value.is_infinite()
    else:
        nan, infinite = math.isnan(value), math.isinf(value)
    if infinite and any_text:
        raise DataError(f"{where}: {value} is not a value that a column can hold; give None where there is no number")
    if nan:
        return None
    return str(value) if infinite or isinstance(value, Decimal) else value

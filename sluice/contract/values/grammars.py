"""How a cell of each type may be spelt: one function per type, from one text to its value. Pure.

Each is exact: a spelling that would lose digits, depend on the day (`now`) or be guessed at (`03/04/2024`)
is refused. Blanks around a value are ignored, except in texts.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal, localcontext
from typing import Any
from uuid import UUID

from sluice.contract.columns import ColumnType

LONGEST_VALUE = 400  # characters; the longest double written without an exponent has about 330

# "1.0": how writers spell the integers of a column that has nulls. [0-9], as \d takes other scripts' digits.
_INTEGER = re.compile(r"(-?)((?:0|[1-9][0-9]*)(?=\.0*$|$)|(?=\.0+$))(?:\.0*)?")
_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIMESTAMP = re.compile(_DATE.pattern + r"[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?")
_ZONE = re.compile(r"(?:Z|([+-])([0-9]{2})(?::?([0-5][0-9]))?)$")
_TIME = re.compile(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
NUL = re.compile(
    r"(?<!\\)(?:\\\\)*\\u0000"
)  # the character, as JSON writes it; after an escaped backslash it is a text
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def kind_of(to: ColumnType) -> str:
    """The name of the type's grammar: decimals of every size share one."""
    return "decimal" if to.name.startswith("decimal") else to.name


def read_cell(raw: bytes, to: ColumnType) -> Any:
    """The value that `raw` spells.

    Raises:
        ValueError: it spells no value of this type.
    """
    text = raw.decode()  # bytes that are not UTF-8: a ValueError too
    if to.name == "text":
        if "\0" in text:  # PostgreSQL's text cannot hold it
            raise ValueError
        return text
    text = text.strip(" \t")
    if len(text) > LONGEST_VALUE and to.name not in ("json", "bytes"):
        raise ValueError
    try:
        return _CELLS[kind_of(to)](text, to)
    except ArithmeticError as error:  # too large for its type
        raise ValueError from error


def _full(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError
    return match


def _integer(text: str, _: ColumnType) -> int:
    sign, digits = _full(_INTEGER, text).groups()
    value = int(sign + (digits or "0"))
    if not -(2**63) <= value < 2**63:
        raise ValueError
    return value


def _float(text: str, _: ColumnType) -> float:
    value = float(_full(_NUMBER, text)[0])
    if not math.isfinite(value):
        raise ValueError
    return value


def _decimal(text: str, to: ColumnType) -> Decimal:
    given = Decimal(_full(_NUMBER, text)[0])
    with localcontext(prec=to.arrow.precision):  # InvalidOperation, an ArithmeticError: too many digits
        value = given.quantize(Decimal((0, (1,), -to.arrow.scale)))
    if value != given:
        raise ValueError
    return value


def _boolean(text: str, _: ColumnType) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError
    return _BOOLEANS[text.lower()]


def _date(text: str, _: ColumnType) -> date:
    year, month, day = map(int, _full(_DATE, text).groups())
    return date(year, month, day)


def _timestamp(text: str, _: ColumnType) -> datetime:
    *parts, fraction = _full(_TIMESTAMP, text).groups()
    year, month, day, hour, minute, second = map(int, parts)
    return datetime(year, month, day, hour, minute, second, int((fraction or "").ljust(6, "0")))


def _time(text: str, _: ColumnType) -> time:
    hour, minute, second, fraction = _full(_TIME, text).groups()
    return time(int(hour), int(minute), int(second or 0), int((fraction or "").ljust(6, "0")))


def _uuid(text: str, _: ColumnType) -> bytes:
    return UUID(_full(_UUID, text)[0]).bytes


def _bytes(text: str, _: ColumnType) -> bytes:
    """Bytes as PostgreSQL writes them, and Sluice's quarantine keeps them: `\\x00ff`."""
    return bytes.fromhex(text[2:]) if text.startswith("\\x") else text.encode()


def _json(text: str, _: ColumnType) -> str:
    if NUL.search(text):  # jsonb cannot hold it
        raise ValueError
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_held_by_jsonb)
    except RecursionError as error:
        raise ValueError from error
    if "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode()  # half a character is a ValueError
    return text


def _held_by_jsonb(number: str) -> float:
    """Refuse a number that PostgreSQL's numeric cannot hold: digits before and after the point are limited."""
    given = Decimal(number)
    if not given.as_tuple().exponent >= -16_383 or given.adjusted() >= 131_072:  # type: ignore[operator]
        raise ValueError(number)
    return 0.0


def _refuse_constant(word: str) -> None:
    raise ValueError(word)  # NaN is not JSON


def _timestamp_with_zone(text: str, to: ColumnType) -> datetime:
    zone = _ZONE.search(text)
    if zone is None:
        raise ValueError
    sign, hours, minutes = zone.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    local = _timestamp(text[: zone.start()], to)
    return local.replace(tzinfo=timezone(offset)).astimezone(UTC)  # 24 hours and more: a ValueError


_CELLS: dict[str, Callable[[str, ColumnType], Any]] = {
    "integer": _integer,
    "float": _float,
    "decimal": _decimal,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
    "timestamp with time zone": _timestamp_with_zone,
    "time": _time,
    "uuid": _uuid,
    "bytes": _bytes,
    "json": _json,
}

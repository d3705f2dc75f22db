"""A cell on its way from a loader's environment, as [kind, text] or null, so that no digit is lost.

Standard library only. Kinds:
n integer, f float, d decimal, b boolean, t time, s text, x bytes in hexadecimal, j JSON.
"""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

Cell = list[str] | None


def encoded(value: Any) -> Cell:
    """A value for a line of JSON."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    for kinds, tag, text in (
        (bool, "b", str),
        (int, "n", str),
        (float, "f", repr),
        (Decimal, "d", str),
        ((datetime, date, time), "t", lambda moment: moment.isoformat()),
        ((bytes, memoryview), "x", lambda held: bytes(held).hex()),
        (UUID, "s", str),
        (str, "s", str),
    ):
        if isinstance(value, kinds):
            return [tag, text(value)]
    return ["j", json.dumps(value, default=str)]

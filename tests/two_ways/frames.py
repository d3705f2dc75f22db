"""Rows as a source could deliver them, drawn at random: nulls, NaN, extremes, duplicates, empty frames, time zones."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

Row = tuple[Any, ...]  # in the order of contracts.TYPES

maybe = st.none()
integers = maybe | st.sampled_from([0, 1, -1, 7]) | st.sampled_from([0, 1, -1, 7]) | st.integers(-(1 << 40), 1 << 40)
integers |= st.sampled_from([(1 << 63) - 1, -(1 << 63), (1 << 53) + 1])
quarters = st.integers(-(1 << 30), 1 << 30).map(lambda n: n / 4)  # sums of these are exact in any order
floats = (
    maybe | st.sampled_from([0.0, -0.0, 0.5, -0.25, 1e6]) | quarters | st.sampled_from([math.nan, math.inf, -math.inf])
)
floats |= st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
money = maybe | st.sampled_from([Decimal("0.00"), Decimal("1.50"), Decimal(-7)])
money |= st.decimals(Decimal("-99999999.99"), Decimal("99999999.99"), places=2)
texts = (
    maybe
    | st.text("ab1-", max_size=4)
    | st.sampled_from(["", "a", "ab", "A", "é", "a%b", "_"])
    | st.text("ab1 -\n.é$]^_A\\{", max_size=5)
)
texts |= st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
times = maybe | st.sampled_from([datetime(2021, 1, 1), datetime(2021, 6, 1, 12, 30)])
times |= st.datetimes(datetime(2020, 1, 1), datetime(2022, 1, 1)) | st.datetimes(
    datetime(1, 1, 1), datetime(9999, 12, 31)
)
zoned = times.map(lambda time: time and time.replace(tzinfo=UTC))
dates = maybe | st.sampled_from([date(2021, 1, 1), date(1999, 12, 31)]) | st.dates()
flags = maybe | st.booleans()
others = (texts, times, times, zoned, zoned, flags, dates)
row = st.tuples(integers, integers, floats, floats, money, money, *others)

# Numbers whose sums and means come out exactly, so that aggregates over them can be compared.
small = maybe | st.sampled_from([0, 1, 2, 7]) | st.integers(-1000, 1000)
exact = maybe | quarters | st.sampled_from([math.nan, math.inf])
cents = maybe | st.sampled_from([Decimal("0.00"), Decimal("1.50"), Decimal(-7), Decimal(2)])
exact_row = st.tuples(small, small, exact, exact, cents, cents, *others)


def _frames(row: st.SearchStrategy[Row]) -> st.SearchStrategy[list[Row]]:
    sizes = st.sampled_from([0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 7])
    free = sizes.flatmap(lambda size: st.lists(row, min_size=size, max_size=size))
    return free | st.lists(row, min_size=2, max_size=5).map(lambda rows: rows + rows[:2])


frames = _frames(row) | _frames(exact_row)

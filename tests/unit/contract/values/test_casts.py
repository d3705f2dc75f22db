"""Casts are exact or not at all, and a cell's value does not depend on its neighbours."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.contract.columns import ColumnType, column_type
from sluice.contract.errors import DataError
from sluice.contract.values.casts import cast, deliverable, delivered

INT, FLOAT, TEXT = (column_type(t) for t in (pa.int64(), pa.float64(), pa.string()))
BOOL, DATE = column_type(pa.bool_()), column_type(pa.date32())
MONEY, WIDE = column_type(pa.decimal128(10, 2)), column_type(pa.decimal128(30, 4))
TIME, ZONED = column_type(pa.timestamp("us")), column_type(pa.timestamp("us", "UTC"))
TYPES = (INT, FLOAT, TEXT, BOOL, DATE, MONEY, WIDE, TIME, ZONED)


def one(value: Any, to: ColumnType, arrow: pa.DataType | None = None) -> Any:
    """The value of one cell after the cast; the word `unparsed` if it is none."""
    values, bad = cast(pa.array([value], arrow or pa.binary()), to)
    assert values.type == to.arrow
    values.validate(full=True)
    if bad is not None and bad[0].as_py():
        assert not values[0].is_valid
        return "unparsed"
    return values[0].as_py()


TEXTS = [
    (INT, {"1": 1, "-3": -3, " 7\t": 7, "1.0": 1, "-2.": -2, "5.000": 5, ".0": 0}),
    (INT, {"9223372036854775807": 2**63 - 1, "-9223372036854775808": -(2**63)}),
    (INT, {"0": 0, "-0": 0, "0.0": 0} | dict.fromkeys(["007", "-01", "00"])),
    (INT, dict.fromkeys(["1.7", "0x1F", "1_000", "+1", "1e3", "9223372036854775808", "", " "])),
    (INT, dict.fromkeys(["-", ".", "--1", "1 2", "\u0661", "one", "1,000", "1" * 5000, "\u00a01"])),
    (FLOAT, {"1": 1.0, "1.5": 1.5, "-.5": -0.5, "2.": 2.0, "1e5": 1e5, "1E-05": 1e-5, "1e+16": 1e16}),
    (FLOAT, dict.fromkeys(["NaN", "inf", "-Infinity", "1e400", "+1.5", "0x1p3", "1,5", "", ".", "1e"])),
    (MONEY, {"1.5": Decimal("1.50"), "-0.01": Decimal("-0.01"), "1.500": Decimal("1.50"), "-0": Decimal(0)}),
    (MONEY, {"99999999.99": Decimal("99999999.99"), "1e2": Decimal(100), " 3 ": Decimal(3)}),
    (MONEY, dict.fromkeys(["1.005", "$1.50", "1,500.00", "100000000.00", "NaN", "inf", "", "1e-05", "+1"])),
    (MONEY, dict.fromkeys(["1.0000000000000000001", "16.500000000000002", "1e99999999", "1.5 USD", "--1"])),
    (WIDE, {"12345678901234567890.1234": Decimal("12345678901234567890.1234")}),
    (WIDE, dict.fromkeys(["0.12345", "123456789012345678901234567.0"])),
    (BOOL, {"true": True, "FALSE": False, "1": True, " 0 ": False}),
    (BOOL, dict.fromkeys(["Y", "N", "on", "t", "yes", "", "2"])),
    (DATE, {"2024-02-29": date(2024, 2, 29), "0001-01-01": date(1, 1, 1)}),
    (DATE, dict.fromkeys(["2023-02-29", "03/04/2024", "2024-1-1", "now", "0000-01-01", "20240101"])),
    (TIME, {"2024-01-02 03:04:05": datetime(2024, 1, 2, 3, 4, 5)}),
    (TIME, {"2024-01-02T03:04:05.25": datetime(2024, 1, 2, 3, 4, 5, 250000)}),
    (TIME, {" 9999-12-31 23:59:59.999999": datetime(9999, 12, 31, 23, 59, 59, 999999)}),
    (TIME, dict.fromkeys(["now", "today", "infinity", "2024-02-30 00:00:00", "2024-01-01 24:00:00"])),
    (TIME, dict.fromkeys(["2024-01-01 10:00:00Z", "2024-01-01 10:00:00+05:30", "2024-01-01 10:00"])),
    (TIME, dict.fromkeys(["2024-01-01", "03/04/2024 10:00:00"])),
    (TIME, dict.fromkeys(["2024-01-01 10:00:60", "0000-01-01 00:00:00", "2024-01-01 10:00:00.1234567", ""])),
    (ZONED, {"2024-01-01 10:00:00Z": datetime(2024, 1, 1, 10, tzinfo=UTC)}),
    (ZONED, {"2024-01-01T10:00:00+05:30": datetime(2024, 1, 1, 4, 30, tzinfo=UTC)}),
    (ZONED, dict.fromkeys(["2024-01-01 10:00:00", "2024-01-01 10:00:00+25:00", "0001-01-01 00:00:00+01:00"])),
    (TEXT, {"": "", " a ": " a ", "NaN": "NaN", "日本": "日本"}),
    (TEXT, {"a\0b": None}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("to", "text", "value"),
    [(to, text, "unparsed" if v is None and text.strip() else v) for to, cells in TEXTS for text, v in cells.items()],
)
def test_a_text_is_read_exactly_or_not_at_all(to: ColumnType, text: str, value: Any) -> None:
    assert one(text.encode(), to) == value


def test_bytes_that_are_no_utf8_are_unparsed_in_every_type() -> None:
    assert [one(b"1\xff", to) for to in TYPES] == ["unparsed"] * len(TYPES)
    assert delivered(pa.array([b"1\xff"]), 0) == "\\x31ff"


TYPED = [
    (1.0, pa.float64(), INT, 1), (1.7, pa.float64(), INT, "unparsed"),
    (2.0**63, pa.float64(), INT, "unparsed"),
    (float("nan"), pa.float64(), INT, "unparsed"), (2**63, pa.uint64(), INT, "unparsed"),
    (7, pa.int8(), INT, 7),
    (Decimal("3.00"), pa.decimal128(5, 2), INT, 3), (Decimal("3.10"), pa.decimal128(5, 2), INT, "unparsed"),
    (float("nan"), pa.float64(), FLOAT, "unparsed"), (float("-inf"), pa.float64(), FLOAT, "unparsed"),
    (1.5, pa.float32(), FLOAT, 1.5), (2**53 + 1, pa.int64(), FLOAT, "unparsed"), (3, pa.int32(), FLOAT, 3.0),
    (16.500000000000002, pa.float64(), MONEY, Decimal("16.50")), (1.005, pa.float64(), MONEY, "unparsed"),
    (-0.1, pa.float64(), MONEY, Decimal("-0.10")), (99999999.99, pa.float64(), MONEY, Decimal("99999999.99")),
    (1e8, pa.float64(), MONEY, "unparsed"), (float("inf"), pa.float64(), MONEY, "unparsed"),
    (float("nan"), pa.float64(), MONEY, "unparsed"), (12, pa.int64(), MONEY, Decimal(12)),
    (10**9, pa.int64(), MONEY, "unparsed"), (Decimal("1.500"), pa.decimal128(12, 3), MONEY, Decimal("1.50")),
    (Decimal("1.005"), pa.decimal128(12, 3), MONEY, "unparsed"), (0.1, pa.float64(), WIDE, Decimal("0.1")),
    (1_000_000_000, pa.timestamp("ns"), TIME, datetime(1970, 1, 1, 0, 0, 1)),
    (1, pa.timestamp("ns"), TIME, "unparsed"), (10**12, pa.timestamp("s"), TIME, "unparsed"),
    (0, pa.timestamp("s", "America/New_York"), ZONED, datetime(1970, 1, 1, tzinfo=UTC)),
    (-10**6, pa.date32(), DATE, "unparsed"), (86_400_000, pa.date64(), DATE, date(1970, 1, 2)),
    (True, pa.bool_(), BOOL, True), ("a", pa.large_string(), TEXT, "a"),
    (b"\xff", pa.binary(), TEXT, "unparsed"),
    (None, pa.null(), MONEY, None),
]  # fmt: skip


@pytest.mark.parametrize(("value", "arrow", "to", "expected"), TYPED)
def test_a_typed_cell_is_taken_without_loss_or_not_at_all(
    value: Any, arrow: pa.DataType, to: ColumnType, expected: Any
) -> None:
    assert deliverable(arrow, to)
    assert one(value, to, arrow) == expected


DRIFT = [
    (pa.bool_(), INT), (pa.string(), INT), (pa.string(), TIME), (pa.string(), MONEY), (pa.float32(), MONEY),
    (pa.int64(), TEXT), (pa.float64(), TEXT), (pa.int64(), BOOL), (pa.timestamp("us", "UTC"), TIME),
    (pa.timestamp("us"), ZONED), (pa.date32(), TIME), (pa.timestamp("us"), DATE), (pa.int64(), TIME),
    (pa.list_(pa.int64()), INT), (pa.struct([("a", pa.int64())]), TEXT),
    (pa.dictionary(pa.int8(), pa.int64()), TEXT),
]  # fmt: skip


@pytest.mark.parametrize(("given_type", "to"), DRIFT)
def test_a_pair_of_types_that_would_need_a_guess_is_no_pair(given_type: pa.DataType, to: ColumnType) -> None:
    assert not deliverable(given_type, to)


def test_a_cast_that_does_not_exist_says_so() -> None:
    with pytest.raises(DataError, match="no exact cast from bool to integer"):
        cast(pa.array([True]), INT)


def test_dictionaries_are_read_as_what_they_hold() -> None:
    values, bad = cast(pa.array(["a", None, "a"]).dictionary_encode(), TEXT)
    assert (values.to_pylist(), bad) == (["a", None, "a"], None)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (pa.array([1.7]), "1.7"),
        (pa.array([float("nan")]), "NaN"),
        (pa.array([float("-inf")]), "-inf"),
        (pa.array([1], pa.timestamp("ns")), "1970-01-01 00:00:00.000000001"),
        (pa.array([Decimal("1.005")]), "1.005"),
        (pa.array([b"a\0"]), "\\x6100"),
    ],
)
def test_an_unparsed_cell_keeps_its_text_as_delivered(array: pa.Array, text: str) -> None:
    assert delivered(array, 0) == text


SPELLINGS = st.one_of(
    st.sampled_from([text for _, cells in TEXTS for text in cells if len(text) < 100]).map(str.encode),
    st.from_regex(r"[ +-]?[0-9]{0,20}(\.[0-9]{0,8})?([eE][+-]?[0-9]{1,3})?", fullmatch=True).map(str.encode),
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,7})?)?", fullmatch=True)
    .map(str.encode),
    st.binary(max_size=12),
    st.none(),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(SPELLINGS, max_size=12), st.sampled_from(TYPES), st.integers(0, 3))
def test_a_cells_value_does_not_depend_on_its_neighbours(
    cells: list[bytes | None], to: ColumnType, skipped: int
) -> None:
    array = pa.array(cells, pa.binary())
    for start in (0, min(skipped, len(array))):  # a slice has an offset into its buffers
        values, bad = cast(array[start:], to)
        values.validate(full=True)
        outcome = ["unparsed" if bad is not None and bad[n].as_py() else values[n].as_py() for n in range(len(values))]
        assert outcome == [one(cell, to) for cell in cells[start:]]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(), st.integers(-(10**10), 10**10).map(lambda n: n / 100))))
def test_doubles_become_money_alike_alone_and_together(numbers: list[float | None]) -> None:
    values, bad = cast(pa.array(numbers, pa.float64()), MONEY)
    outcome = ["unparsed" if bad is not None and bad[n].as_py() else values[n].as_py() for n in range(len(values))]
    assert outcome == [one(number, MONEY, pa.float64()) for number in numbers]
    for number, money in zip(numbers, outcome, strict=True):
        if number is not None and money != "unparsed":
            assert Decimal(f"{number:.15g}") == money


def test_a_map_is_a_json_object_and_one_with_a_key_twice_keeps_both() -> None:
    kind, to = pa.map_(pa.string(), pa.int64()), column_type(pa.large_string())
    maps = pa.array([[("a", 1), ("b", None)], [("a", 1), ("a", 2)], None], kind)
    assert [cast(maps.slice(row, 1), to)[0][0].as_py() for row in range(3)] == [
        '{"a": 1, "b": null}', '[["a", 1], ["a", 2]]', None,
    ]  # fmt: skip
    together, bad = cast(maps, to)
    assert bad is None
    assert together.to_pylist() == [cast(maps.slice(row, 1), to)[0][0].as_py() for row in range(3)]


@pytest.mark.parametrize(
    ("value", "read"), [({"\\u0000": 1}, True), ("\0", False), ("\\\0", False), ("\\\\u0000", True)]
)
def test_a_nul_is_no_json_of_a_database_and_a_backslash_before_u0000_is(value: object, read: bool) -> None:
    text = json.dumps(value)
    values, bad = cast(pa.array([text]), column_type(pa.large_string()))
    assert (values[0].as_py(), bad is None) == ((text, True) if read else (None, False))

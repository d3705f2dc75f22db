"""Rows that a function gives: the same guards as a file's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow
import pytest

from sluice import (
    Bytes,
    Contract,
    ContractError,
    DataError,
    Date,
    Float,
    Int,
    Json,
    Money,
    Monthly,
    Rows,
    Text,
    Time,
    ToolError,
    UtcTimestamp,
    Uuid,
    column,
)
from sluice.contract.checks.version import version_of
from sluice.contract.drift import SchemaDrift
from sluice.source.files import SourceMissing
from sluice.source.python import spool
from sluice.source.readers.row_stream import open_rows
from sluice.source.sniff import EmptyFile
from tests.support.repository import ROOT


class Orders(pa.DataFrameModel):
    order_id: Int = column("Number of the order.", source="id")
    name: Text = column("Of the customer.", nullable=True)


class Everything(pa.DataFrameModel):
    a: Int = column("Something.", nullable=True)
    b: Float = column("Something.", nullable=True)
    c: Money = column("Something.", nullable=True)
    d: Date = column("Something.", nullable=True)
    e: UtcTimestamp = column("Something.", nullable=True)
    h: Time = column("Something.", nullable=True)
    i: Uuid = column("Something.", nullable=True)
    j: Bytes = column("Something.", nullable=True)
    k: Json = column("Something.", nullable=True)


def contract(read: Callable[[str], Any], model: type[pa.DataFrameModel] = Orders, **options: Any) -> Contract:
    return Contract("shop", "orders", "me@example.com", model, Rows(read, Monthly("2024-01"), **options))


def given(of: Contract, folder: Path, batch: str = "2024-01") -> tuple[list[dict[str, Any]], str]:
    """The typed rows, and the fingerprint."""
    file = spool.call(of, spool.look(of, batch), batch, folder)
    with open_rows(file, of, batch) as stream:
        return [row for rows in stream for row in rows.to_pylist()], file.sha256


def row(number: int, order_id: int | None, name: str | None, unparsed: str | None = None) -> dict[str, Any]:
    return {"order_id": order_id, "name": name, "_row_number": number, "_unparsed": unparsed}


def documented(cell: str) -> Any:
    return eval(cell.strip("`"), {"pd": pd, "pa": pyarrow})


def test_the_examples_of_the_guide_are_rows(tmp_path: Path) -> None:
    class Documented(pa.DataFrameModel):
        id: Int = column("Number.")
        name: Text | None = column("Name.", nullable=True)

    table = (ROOT / "docs/sources.md").read_text().split("| gives | example | kept as |\n|---|---|---|\n")[1]
    examples = [line.split(" | ")[1] for line in table.split("\n\n")[0].splitlines()]
    assert len(examples) == 3
    for example in examples:
        rows, _ = given(contract(lambda _, of=example: documented(of), Documented), tmp_path)
        assert [each["id"] for each in rows] == [1, 2]


def pages(batch: str) -> Iterator[dict[str, Any]]:
    yield {"id": 1, "name": "Ann"}
    yield {"id": 2}


TABLE = pyarrow.table({"id": [1, 2], "name": ["Ann", None]})


@pytest.mark.parametrize(
    "read",
    [
        pages,
        lambda _: [{"id": 1, "name": "Ann"}, {"id": 2, "name": None}],
        lambda _: TABLE,
        lambda _: TABLE.to_batches(),
        lambda _: TABLE.to_reader(),
        lambda _: iter([TABLE.slice(0, 1), TABLE.slice(1)]),
        lambda _: TABLE.to_pandas(),
        lambda _: [frame for _, frame in TABLE.to_pandas().groupby("id")],
    ],
    ids=["generator of dicts", "list of dicts", "table", "batches", "reader", "tables", "frame", "frames"],
)
def test_tables_frames_and_dicts_are_rows(tmp_path: Path, read: Callable[[str], Any]) -> None:
    rows, first = given(contract(read), tmp_path)
    assert rows == [row(1, 1, "Ann"), row(2, 2, None)]
    assert given(contract(read), tmp_path)[1] == first  # the same rows, the same fingerprint


def test_values_of_dicts_keep_their_digits_and_types(tmp_path: Path) -> None:
    one = UUID("550e8400-e29b-41d4-a716-446655440000")
    values = {
        "a": np.int64(7),
        "b": float("nan"),
        "c": Decimal("1.10"),
        "d": date(2024, 1, 31),
        "e": pd.Timestamp("2024-01-31 08:00", tz="UTC"),
        "h": time(8, 30),
        "i": one,
        "j": b"ab",
        "k": {"tags": ["a", Decimal("1.5")]},
    }
    [read], _ = given(contract(lambda _: [values], Everything), tmp_path)
    assert read.pop("_unparsed") is None  # NaN is null, as that of a frame is
    assert read == {
        "a": 7,
        "b": None,
        "c": Decimal("1.10"),
        "d": date(2024, 1, 31),
        "e": datetime(2024, 1, 31, 8, tzinfo=UTC),
        "h": time(8, 30),
        "i": one.bytes,
        "j": b"ab",
        "k": '{"tags": ["a", "1.5"]}',
        "_row_number": 1,
    }
    [nulls], _ = given(contract(lambda _: [dict.fromkeys("abcdehijk", pd.NaT)], Everything), tmp_path)
    assert {nulls[name] for name in "abcdehijk"} == {None}


@pytest.mark.parametrize("nan", [float("nan"), np.float32("nan"), Decimal("nan")])
def test_nan_in_text_is_null(tmp_path: Path, nan: Any) -> None:
    assert given(contract(lambda _: [{"id": 1, "name": nan}]), tmp_path)[0] == [row(1, 1, None)]


@pytest.mark.parametrize("infinity", [float("-inf"), np.float32("inf"), Decimal("inf")])
def test_infinity_rejects_its_row_and_is_refused_where_its_word_would_pass(tmp_path: Path, infinity: Any) -> None:
    [read], _ = given(contract(lambda _: [{**dict.fromkeys("abcdehijk"), "b": infinity}], Everything), tmp_path)
    assert (read["b"], read["_unparsed"]) == (None, f'{{"b": "{infinity}"}}')
    for model, name, value in ((Orders, "name", infinity), (Everything, "k", {"tags": [infinity]})):
        names = ["id", "name"] if model is Orders else "abcdehijk"
        with pytest.raises(DataError, match=f"row 1: {name}: .* is not a value that a column can hold"):
            given(contract(lambda _, of=names, at=name, it=value: [{**dict.fromkeys(of), at: it}], model), tmp_path)


def test_a_cell_of_a_wrong_type_rejects_its_row_and_a_column_of_a_wrong_type_is_drift(tmp_path: Path) -> None:
    rows, _ = given(contract(lambda _: [{"id": 1, "name": "a"}, {"id": "two", "name": "b"}]), tmp_path)
    assert rows[1] == row(2, None, "b", '{"order_id": "two"}')
    with pytest.raises(SchemaDrift, match="id"):
        given(contract(lambda _: pyarrow.table({"id": [[1]], "name": ["a"]})), tmp_path)
    with pytest.raises(SchemaDrift, match="shoe"):
        given(contract(lambda _: [{"id": 1, "name": "a", "shoe": 3}]), tmp_path)


def test_a_column_that_is_null_in_the_first_part_may_hold_values_later(tmp_path: Path) -> None:
    parts = [pyarrow.table({"id": [1], "name": [None]}), pyarrow.table({"id": [2], "name": ["Bo"]})]
    assert given(contract(lambda _: parts), tmp_path)[0] == [row(1, 1, None), row(2, 2, "Bo")]


def broken(batch: str) -> Iterator[dict[str, Any]]:
    yield {"id": 1, "name": "Ann"}
    raise ConnectionError("the API hung up")


def endless(batch: str) -> Iterator[dict[str, Any]]:
    return ({"id": number, "name": "x"} for number in itertools.count())


def of_nothing(batch: str) -> Iterator[pyarrow.Table]:
    return itertools.repeat(TABLE.slice(0, 0))


@pytest.mark.parametrize(
    ("read", "error", "message"),
    [
        (broken, ToolError, "the function failed midway: ConnectionError: the API hung up"),
        (lambda _: 1 / 0, ToolError, "the function failed: ZeroDivisionError"),
        (lambda _: [], EmptyFile, "gives no row"),
        (lambda _: TABLE.slice(0, 0), EmptyFile, "gives no row"),
        (endless, DataError, r"gives more than 100 rows. If that is right, allow more: Rows\(..., max_rows=...\)"),
        (of_nothing, DataError, "gives more than 100 rows"),
        (lambda _: "id,name", DataError, "gives str, expected pyarrow tables"),
        (lambda _: 3, DataError, "gives int, expected"),
        (lambda _: [1, 2], DataError, "gives int, expected"),
        (lambda _: [{"id": 1}, TABLE], DataError, "gives Table after dicts; give one kind"),
        (lambda _: [TABLE, {"id": 1}], DataError, "dicts after tables; give one kind"),
        (lambda _: [{"id": object()}], DataError, "row 1: id: a value of type object"),
        (lambda _: [{"id": b"\xff"}], DataError, "bytes that cannot be decoded as text belong in"),
        (lambda _: [{1: 1}], DataError, "row 1: its names must be text"),
        (lambda _: [TABLE, TABLE.rename_columns(["id", "who"])], DataError, "from row 3: its columns are id, who"),
        (
            lambda _: [TABLE, pyarrow.table({"id": ["x"], "name": ["a"]})],
            DataError,
            "from row 3: id is string, before it was int64",
        ),
        (lambda _: pd.DataFrame({"id": [1, "x"], "name": "a"}), DataError, "a column of several types"),
        (lambda _: None, SourceMissing, "is not there yet"),
    ],
)
def test_what_is_no_delivery_is_one_message_and_leaves_nothing(
    tmp_path: Path, read: Callable[[str], Any], error: type[Exception], message: str
) -> None:
    of = contract(read, max_rows=100)
    with pytest.raises(error, match=message) as raised:
        given(of, tmp_path)
    assert str(raised.value).startswith("rows://shop__orders/2024-01")
    assert list(tmp_path.iterdir()) == []


def test_an_error_quotes_nothing_where_columns_are_personal(tmp_path: Path) -> None:
    class Personal(pa.DataFrameModel):
        name: Text = column("Of the customer.", pii=True)

    def read(batch: str) -> Any:
        raise ValueError("Ann Roe has two ids")

    with pytest.raises(ToolError, match=r"the function failed: ValueError$"):
        given(contract(read, Personal), tmp_path)


def test_a_version_is_asked_for_and_not_the_rows() -> None:
    of = contract(broken, version=lambda batch: f"{batch} of Monday")
    assert spool.look(of, "2024-01").etag == "2024-01 of Monday"
    assert spool.look(contract(broken, version=lambda _: None), "2024-01").etag is None
    wrong = contract(broken, version=lambda _: 1 / 0)
    with pytest.raises(ToolError, match="its version could not be asked for: ZeroDivisionError"):
        spool.look(wrong, "2024-01")


def test_another_function_is_no_other_contract() -> None:
    assert version_of(contract(pages)) == version_of(contract(endless, version=str, max_rows=5))


@pytest.mark.parametrize("options", [{"max_rows": 0}, {"version": "3"}])
def test_a_wrong_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        contract(pages, **options)
    with pytest.raises(ContractError, match="read is a function"):
        contract([{"id": 1}])  # type: ignore[arg-type]

"""A contract that says what Sluice would not do is refused, by name, before anything runs."""

from __future__ import annotations

from typing import Any

import pandera.pandas as pa
import pytest
from pandera.typing import Index

from sluice.contract.authoring.names import column_names
from sluice.contract.batches import Monthly, Single
from sluice.contract.checks.compile import checks_of
from sluice.contract.checks.version import sql_of
from sluice.contract.columns import Date, Int, Text, Timestamp, UtcTimestamp, column
from sluice.contract.contract import Contract, Files, Freshness, Gate
from sluice.contract.errors import ContractError


def model(kind: Any = Int, config: dict[str, Any] | None = None, **options: Any) -> type[pa.DataFrameModel]:
    body = {"__annotations__": {"number": kind}, "number": column("A number.", **options)}
    if config is not None:
        body["Config"] = type("Config", (), config)
    return type("Model", (pa.DataFrameModel,), body)


def contract(schema: Any = None, files: Files | None = None, **parts: Any) -> Contract:
    return Contract("t", "x", "me@example.com", schema or model(), files or Files("x.csv", Single()), **parts)


class Parsed(pa.DataFrameModel):
    number: Int = column("A number.", ge=0)

    @pa.parser("number")
    def positive(cls, numbers: Any) -> Any:
        return numbers.abs()


class ParsedWhole(pa.DataFrameModel):
    number: Int = column("A number.", ge=0)

    @pa.dataframe_parser
    def one(cls, rows: Any) -> Any:
        return rows.assign(number=1)


class Indexed(pa.DataFrameModel):
    place: Index[int] = pa.Field(ge=0)
    number: Int = column("A number.")


class Misnamed(pa.DataFrameModel):
    number: Int = column("A number.")

    @pa.dataframe_check(name="number is integer")
    def whole(cls, rows: Any) -> Any:
        return rows["number"] > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: model(severity="warning"), "severity is 'error' or 'warn', not 'warning'"),
        (lambda: model(unique=True, keep="frist"), "keep is 'first' or 'last' or False"),
        (lambda: model(tolerance="5%"), "share of rows from 0 to 1, not '5%'"),
        (lambda: Gate(max_rejected="5%"), "max_rejected must be a share of rows"),
        (lambda: Gate(rows_vs_last=(0.5, None)), "rows_vs_last is .fewest, most."),
        (lambda: Files("x.csv", Single(), null_values="NA"), r"null_values is a tuple of texts: \('NA',\)"),
        (lambda: Files("x.csv", Single(), delimiter=""), "delimiter is 1 to 8 characters"),
        (lambda: Files("x.csv", Single(), delimiter="|\n|"), "delimiter is 1 to 8 characters"),
        (lambda: Files("x.csv", Single(), delimiter='","'), "must be different characters"),
        (lambda: Files("x.csv", Single(), quote="''"), "quote is one ASCII character"),
        (lambda: Freshness(3, 5), r"warn_after must be a span of time: days\(3\)"),
        (lambda: contract(retention=30), r"retention must be a span of time: days\(30\)"),
        (lambda: contract(pa.DataFrameSchema()), "schema must be a class"),
        (lambda: contract(model(config={"unique": ["number", "nope"]})), "unique names 'nope', which is not one"),
        (lambda: contract(model(config={"strict": "filter"})), "strict='filter' is not supported"),
        (lambda: contract(model(config={"drop_invalid_rows": True})), "drop_invalid_rows is not supported"),
        (lambda: contract(model(config={"add_missing_columns": True})), "add_missing_columns is not supported"),
        (lambda: contract(model(config={"ordered": True})), "ordered is not supported"),
        (lambda: contract(model(config={"dtype": "float64"})), "dtype is not supported: each column declares its type"),
        (lambda: contract(model(Any)), "its type is Int, Float, .* not None"),
        (lambda: contract(model(default=0)), "number: default is not supported"),
        (lambda: contract(model(regex=True)), "number: regex is not supported: declare each column"),
        (lambda: contract(Parsed), "number: parsers is not supported"),
        (lambda: contract(ParsedWhole), "parsers is not supported"),
        (lambda: contract(Indexed), "index is not supported"),
        (lambda: contract(model(int)), "its type is Int, Float, .* not int64"),
        (lambda: contract(model(), Files("x", Monthly("2024-01", by="number"))), "cannot date batches"),
        (lambda: contract(files=Files("x", Monthly("2024-1"))), "t__x: start: batch '2024-1' is not a month"),
        (lambda: checks_of(contract(Misnamed), "all"), "'number is integer' is the name of a built-in check"),
        (
            lambda: contract(model(since="2025-1", nullable=True), Files("x", Monthly("2024-01"))),
            "since: batch '2025-1' is not a month",
        ),
    ],
)
def test_what_would_be_passed_over_in_silence_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        make()


def test_a_column_that_postgresql_has_of_its_own_is_refused() -> None:
    class Boxes(pa.DataFrameModel):
        xmin: Int = column("Left edge.")

    with pytest.raises(ContractError, match="xmin is a system column of PostgreSQL"):
        contract(Boxes)
    assert column_names(["xmin", "Xmax"]) == ["column_xmin", "column_xmax"]


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        (Date, "number >= '2024-01-01' AND number < '2024-02-01'"),
        (Timestamp, "number >= '2024-01-01 00:00:00' AND number < '2024-02-01 00:00:00'"),
        (UtcTimestamp, "number >= '2024-01-01 00:00:00+00:00' AND number < '2024-02-01 00:00:00+00:00'"),
    ],
)
def test_batches_are_dated_by_dates_and_by_times_with_or_without_a_zone(kind: Any, sql: str) -> None:
    files = Files("x_{batch}.csv", Monthly("2024-01", by="number"))
    [check] = checks_of(contract(model(kind, nullable=True), files), "2024-01")
    assert sql_of(check) == sql


def test_an_attribute_that_a_frame_has_is_no_column() -> None:
    class Model(pa.DataFrameModel):
        size: Int = column("How large.", nullable=True)
        name: Text = column("A name.", nullable=True)

        @pa.dataframe_check(name="large")
        def large(cls, rows: Any) -> Any:
            return rows.size > 5  # in pandas, how many values the frame has

    [check] = checks_of(contract(Model), "all")
    assert (check.kind, check.untraced) == ("pandas", ".size of the table")

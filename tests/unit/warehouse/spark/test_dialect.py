"""Checks in the SQL of Spark, as far as they can be judged without it; tests/spark asks Spark itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandera.pandas as pa
import pytest
import sqlalchemy as sa

from sluice.contract.batches import Single
from sluice.contract.checks.compile import checks_of
from sluice.contract.columns import Json, Text, Uuid, column
from sluice.contract.contract import Contract, Files, Gate
from sluice.project.datasets import contracts
from sluice.warehouse.spark.dialect import NotInSpark, spark_sql, sql_of
from sluice.warehouse.spark.patterns import java_pattern


@pytest.mark.parametrize(
    ("value", "type_", "said"),
    [
        (7, sa.BigInteger(), "7L"),
        (-(1 << 63), sa.BigInteger(), "-9223372036854775808L"),
        (1e300, sa.Double(), "1e+300D"),
        (Decimal("1E+3"), sa.Numeric(), "1000BD"),
        (Decimal("-0.10"), sa.Numeric(), "-0.10BD"),
        ("it's a \\ back", sa.Text(), r"'it\'s a \\ back'"),
        (date(1, 1, 1), sa.Date(), "DATE '0001-01-01'"),
        (datetime(2026, 1, 2, 3, 4, 5), sa.DateTime(), "TIMESTAMP_NTZ '2026-01-02 03:04:05'"),
        (datetime(2026, 1, 2, tzinfo=UTC), sa.DateTime(timezone=True), "TIMESTAMP '2026-01-02 00:00:00+00:00'"),
        (timedelta(days=-1, hours=2), sa.Interval(), "INTERVAL '-0 22:00:00.000000' DAY TO SECOND"),
    ],
)
def test_a_value_is_written_as_spark_reads_it(value: object, type_: Any, said: str) -> None:
    assert spark_sql(sa.literal(value, type_)) == said


@pytest.mark.parametrize(
    ("postgres", "java"),
    [
        ("^(?:a)$", r"^(?:a)\z"),
        (r"\$[$]\\$", r"\$[$]\\\z"),
        ("[a&&b]&", r"[a\&\&b]&"),
        (r"[^\]$&]", r"[^\]$\&]"),
    ],
)
def test_a_pattern_is_one_of_java(postgres: str, java: str) -> None:
    assert java_pattern(postgres) == java


def test_each_check_of_the_example_can_be_said_to_spark() -> None:
    said = {
        check.name: sql_of(check, contract)
        for contract in contracts().values()
        for check in checks_of(contract, contract.files.batches.first)
        if check.kind != "pandas"
    }
    assert said["passenger_count >= 1"] == "`passenger_count` >= 1L"
    assert all(said.values())


def test_what_json_values_are_equal_is_refused_and_their_nulls_are_not() -> None:
    class Things(pa.DataFrameModel):
        one: Json = column("One.", nullable=True, unique=True)
        other: Json = column("Another.", nullable=True)
        key: Uuid = column("A key.")
        name: Text = column("A name.")

        @pa.dataframe_check(name="same")
        def same(cls, things: Any) -> Any:
            return things["one"] == things["other"]

        @pa.dataframe_check(name="few")
        def few(cls, things: Any) -> Any:
            return things["one"].nunique() < 3

        @pa.dataframe_check(name="there")
        def there(cls, things: Any) -> Any:
            return things["one"].notna()

    contract = Contract("test", "things", "me@example.com", Things, Files("x.csv", Single()), Gate())
    checks = {check.name: check for check in checks_of(contract, "all")}
    for name in ("same", "few", "one unique"):
        assert checks[name].kind != "pandas"
        with pytest.raises(NotInSpark, match="JSON"):
            sql_of(checks[name], contract)
    assert sql_of(checks["there"], contract) == "`one` IS NOT NULL"
    assert str(sql_of(checks["key not null"], contract)).startswith("`key` IS NOT NULL")

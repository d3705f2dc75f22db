"""The third way: Spark, from Parquet. Many checks to a query, as each query costs a tenth of a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import sqlalchemy as sa
from pyarrow import parquet
from pyspark.sql import SparkSession

from sluice.contract.checks.compile import Check
from sluice.contract.checks.keys import duplicates
from sluice.warehouse.spark.dialect import NotInSpark, spark_sql
from sluice.warehouse.spark.session import ERRORS

TOGETHER = 20  # pairs in one query
OUT_OF_RANGE = ("OVERFLOW", "a number is out of range", "NUMERIC_VALUE_OUT_OF_RANGE")


@dataclass(frozen=True)
class Pair:
    """A frame, and the checks of a contract that are to judge it."""

    frame: pd.DataFrame
    checks: tuple[Check, ...]


Verdict = set[int] | str  # the rows that fail (of an aggregate, all or none), or why Spark has no answer


def judge(spark: SparkSession, folder: Path, pairs: Sequence[Pair]) -> list[dict[str, Verdict]]:
    """What Spark says of each check of each pair, by the check's name."""
    said: list[dict[str, Verdict]] = []
    for start in range(0, len(pairs), TOGETHER):
        some = pairs[start : start + TOGETHER]
        place = folder / f"pairs_{start}.parquet"
        parquet.write_table(_rows(some), place)
        spark.read.parquet(str(place)).createOrReplaceTempView("pairs")
        said += _judge(spark, some)
    return said


def _rows(pairs: Sequence[Pair]) -> pyarrow.Table:
    """All frames in one table, as extract writes it: the typed cells, the row's number, the text of unparsed cells."""
    tables = []
    for number, pair in enumerate(pairs):
        table = pyarrow.Table.from_pandas(pair.frame, preserve_index=False)
        rows = table.num_rows
        table = table.append_column("_row_number", pyarrow.array(range(1, rows + 1), pyarrow.int64()))
        table = table.append_column("_unparsed", pyarrow.nulls(rows, pyarrow.string()))
        tables.append(table.append_column("_pair", pyarrow.array([number] * rows, pyarrow.int64())))
    return pyarrow.concat_tables(tables)


def _judge(spark: SparkSession, pairs: Sequence[Pair]) -> list[dict[str, Verdict]]:
    said: list[dict[str, Verdict]] = []
    asked: dict[tuple[int, str], str] = {}
    for number, pair in enumerate(pairs):
        said.append({})
        for check in pair.checks:
            try:
                asked[number, check.name] = _query(check, number)
            except NotInSpark as why:
                said[number][check.name] = f"refused: {why}"
    for (number, name), failing in _answers(spark, asked).items():
        if isinstance(failing, set) and 0 in failing:  # of an aggregate
            failing = set(range(1, len(pairs[number].frame) + 1)) or {0}
        said[number][name] = failing
    return said


def _answers(spark: SparkSession, asked: dict[tuple[int, str], str]) -> dict[tuple[int, str], Verdict]:
    """All at once; and where that is an error, by halves, until the check is found that it is of."""
    keys = list(asked)
    queries = (f"SELECT {number} AS asked, _row_number FROM ({asked[key]})" for number, key in enumerate(keys))
    try:
        rows = spark.sql(" UNION ALL ".join(queries)).collect() if asked else []
    except ERRORS as error:
        if len(keys) > 1:
            half = len(keys) // 2
            return _answers(spark, {key: asked[key] for key in keys[:half]}) | _answers(
                spark, {key: asked[key] for key in keys[half:]}
            )
        if not any(word in str(error) for word in OUT_OF_RANGE):
            raise AssertionError(f"{asked[keys[0]]}: {error}") from error
        return {keys[0]: "errored, out of range"}
    found: dict[tuple[int, str], Verdict] = {key: set() for key in keys}
    for number, row in rows:
        found[keys[number]].add(row)  # type: ignore[union-attr]
    return found


def _query(check: Check, pair: int) -> str:
    """The numbers of the rows that fail; of an aggregate, 0 if it fails."""
    rows = f"(SELECT * FROM pairs WHERE _pair = {pair})"
    if check.kind == "unique":
        names = ("_row_number", "_unparsed", *check.columns)
        table = sa.table("batch", *(sa.column(name, _type(name)) for name in names))
        return spark_sql(duplicates(check, table)).replace("`batch`.", "").replace("`batch`", rows)
    fails = f"NOT ({spark_sql(check.passes)})"
    if check.kind == "aggregate":
        return f"SELECT CAST(0 AS BIGINT) AS _row_number FROM {rows} HAVING {fails}"
    return f"SELECT _row_number FROM {rows} WHERE {fails}"


def _type(name: str) -> Any:
    return sa.BigInteger() if name == "_row_number" else sa.Text()

"""Audit the rows of a load that lie in the lake: every check of the contract, in Spark. Changes no row.

All row checks run in one scan of the landed file, each check of keys in one query; those that could not be traced, or
that Spark has no equal for, run in pandas over the same rows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa
from pyarrow import parquet

from sluice.contract.checks import report
from sluice.contract.checks.compile import Check
from sluice.contract.checks.keys import OF_KEYS
from sluice.contract.checks.report import CANARY_ROWS, SAMPLE_ROWS, Sample, canary_result, columns_shown
from sluice.contract.columns import WHOLE_ROW
from sluice.contract.contract import Contract, masked
from sluice.contract.gate import CheckResult
from sluice.contract.values.shown import shown
from sluice.warehouse.engine import Audited
from sluice.warehouse.spark import landing, marked_rows
from sluice.warehouse.spark.dialect import NotInSpark, spark_sql, sql_of
from sluice.warehouse.spark.load import Load
from sluice.warehouse.spark.marked_rows import NAMES, Marked
from sluice.warehouse.spark.session import ERRORS, first_line

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def audit(load: Load, checks: Sequence[Check]) -> Audited:
    """Run every check over the landed rows, and leave those that fail in `findings`: number, rejected, reasons."""
    checks = [_on_spark(check, load.contract) for check in checks]
    landed = load.session.read.parquet(load.landed)
    rows, counts, errors = _whole_table(landed, checks)
    marked, more = marked_rows.mark(load, landed, checks)
    errors |= more
    asked = [check for check in checks if check.kind == "row" or check.name in marked.names]
    errors |= _write_findings(load, _with_canaries(load, landed), asked, marked)
    marked_rows.drop(load)
    found = load.session.read.parquet(load.findings)
    able = [check for check in checks if check.name not in errors]
    rejected, failed = _counts(found)
    samples = _samples(load, found, checks) if failed else {}
    return Audited(rows, rejected, _canary(load, found, able), {**counts, **failed}, errors, samples)


def _on_spark(check: Check, contract: Contract) -> Check:
    """The check, or the same in pandas where Spark has no equal for it. One of keys has none in pandas."""
    try:
        sql_of(check, contract)
    except NotInSpark as why:
        if check.kind not in OF_KEYS:
            return replace(check, kind="pandas", passes=None, untraced=f"on Spark, {why}")
    return check


def _with_canaries(load: Load, landed: DataFrame) -> DataFrame:
    """The landed rows, and below them one that could not be divided into cells, and one that is all null."""
    one, rows = load.session.range(1), landed
    for number, unparsed in CANARY_ROWS.items():
        rows = rows.union(one.selectExpr(*_canary_row(landed, number, unparsed)))
    return rows


def _canary_row(landed: DataFrame, number: int, unparsed: str | None) -> list[str]:
    known: dict[str, sa.BindParameter[Any]] = {
        "_row_number": sa.literal(number, sa.BigInteger()),
        "_unparsed": sa.literal(unparsed, sa.Text()),
    }
    cells = {name: spark_sql(value) for name, value in known.items() if value.value is not None}
    types = {field.name: field.dataType.simpleString() for field in landed.schema.fields}
    return [f"CAST({cells.get(name, 'NULL')} AS {kind}) AS `{name}`" for name, kind in types.items()]


def _whole_table(landed: DataFrame, checks: Sequence[Check]) -> tuple[int, dict[str, int], dict[str, str]]:
    """Rows; how many fail each check of one value for the whole table; why one could not be run."""
    aggregates = [check for check in checks if check.kind == "aggregate"]
    errors: dict[str, str] = {}
    try:
        rows, *counts = _totals(landed, aggregates)
    except ERRORS:
        errors = _crashes(landed, aggregates)
        aggregates = [check for check in aggregates if check.name not in errors]
        rows, *counts = _totals(landed, aggregates)
    return rows, {check.name: count for check, count in zip(aggregates, counts, strict=True)}, errors


def _totals(landed: DataFrame, aggregates: Sequence[Check]) -> Sequence[int]:
    fails = (f"CASE WHEN NOT ({spark_sql(check.passes)}) THEN count(*) ELSE 0 END" for check in aggregates)
    [row] = landed.selectExpr("count(*)", *fails).collect()
    return [int(count) for count in row]


def _crashes(landed: DataFrame, checks: Sequence[Check]) -> dict[str, str]:
    """Why, by its name, for each traced check whose expression cannot be run over the rows, asked one by one."""
    errors: dict[str, str] = {}
    for check in checks:
        passes = spark_sql(check.passes)
        try:
            landed.selectExpr(passes if check.kind == "aggregate" else f"count_if({passes})").collect()
        except ERRORS as error:
            errors[check.name] = first_line(error)
    return errors


# -- the scan ----------------------------------------------------------------------------------------------


def _write_findings(load: Load, batch: DataFrame, checks: Sequence[Check], marked: Marked) -> dict[str, str]:
    """The rows that fail any of the checks, once each.

    Returns:
        Why, by its name, for each check that could not be run; it is then left out of the findings.
    """
    errors: dict[str, str] = {}
    try:
        _scan(load, batch, checks, marked)
    except ERRORS:
        errors = _crashes(batch, [check for check in checks if check.kind == "row"])
        if not errors:
            raise
        _scan(load, batch, [check for check in checks if check.name not in errors], marked)
    return errors


def _scan(load: Load, batch: DataFrame, checks: Sequence[Check], marked: Marked) -> None:
    fails = {check.name: _fails(check) for check in checks}
    rejected = spark_sql(report.rejected(checks, fails))
    warned = [spark_sql(fails[check.name]) for check in checks if check.severity == "warn"]
    reasons = ", ".join(map(spark_sql, report.reasons(load.contract, fails)))
    rows = batch if marked.rows is None else batch.join(marked.rows, "_row_number", "left")
    rows.where(" OR ".join(f"({each})" for each in (rejected, *warned))).selectExpr(
        "_row_number", f"coalesce({rejected}, false) AS _rejected", f"array_compact(array({reasons})) AS _reasons"
    ).write.mode("overwrite").parquet(load.findings)


def _fails(check: Check) -> sa.ColumnElement[bool]:
    if check.kind == "row":
        return sa.not_(check.passes)
    return sa.func.array_contains(sa.column(NAMES), sa.literal(check.name, sa.Text()), type_=sa.Boolean())


# -- what was found ----------------------------------------------------------------------------------------


def _counts(found: DataFrame) -> tuple[int, Mapping[str, int]]:
    """How many rows are rejected, and how many fail each check that any row fails, by its name."""
    real = found.where("_row_number > 0")
    reasons = real.selectExpr("explode(_reasons) AS reason").groupBy("reason").count().collect()
    return real.where("_rejected").count(), {row["reason"]: row["count"] for row in reasons}


def _canary(load: Load, found: DataFrame, able: Sequence[Check]) -> CheckResult:
    rows = found.where("_row_number <= 0 AND _rejected").collect()
    return canary_result(load.contract, able, {row["_row_number"]: set(row["_reasons"]) for row in rows})


def _samples(load: Load, found: DataFrame, checks: Sequence[Check]) -> dict[str, Sample]:
    """The first five failing rows of each check, by its name, as PostgreSQL shows them."""
    each = found.where("_row_number > 0").selectExpr("explode(_reasons) AS reason", "_row_number")
    order = "row_number() OVER (PARTITION BY reason ORDER BY _row_number) AS place"
    first = each.selectExpr("reason", "_row_number", order).where(f"place <= {SAMPLE_ROWS}")
    numbered = sorted((row["reason"], row["_row_number"]) for row in first.collect())
    system, place = pa.fs.FileSystem.from_uri(load.landed)
    wanted = [("_row_number", "in", sorted({number for _, number in numbered}))]
    table = landing.typed(parquet.read_table(place, filesystem=system, filters=wanted), load.contract)
    rows = {row["_row_number"]: row for row in table.to_pylist()}
    columns = columns_shown(load.contract, checks)
    samples: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for reason, number in numbered:
        samples[reason].append({"_row_number": number, **_shown(load.contract, columns[reason], rows[number])})
    return {reason: tuple(found) for reason, found in samples.items()}


def _shown(contract: Contract, names: Sequence[str], row: Mapping[str, Any]) -> Mapping[str, Any]:
    types = {column.name: column.type for column in contract.columns}
    cells = json.loads(row["_unparsed"] or "{}")
    values = {name: None if name == WHOLE_ROW else shown(types[name], row[name]) for name in names}
    return masked(contract, {**values, **{name: cells[name] for name in names if name in cells}})

"""pandera checks -> SQL expressions (traced), with the untraceable ones separate. Pure: compiles, runs nothing.

pandera's own check functions are called with symbols instead of frames, so that what a check means is written
once, by pandera or by the contract's author. A row fails a check when its expression is false; unknown passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandera.pandas as pa
import sqlalchemy as sa
from pandera.backends.pandas import builtin_checks
from sqlalchemy.sql import visitors

from sluice.contract.checks import source_code
from sluice.contract.checks.across_rows import across_rows
from sluice.contract.checks.names import (
    check_name,
    dataset_check_name,
    parse_check_name,
    reference_of,
    references_of,
    short,
)
from sluice.contract.checks.pandera_check import arguments_of, function_of, is_builtin
from sluice.contract.checks.symbols.literals import AcrossRows, Nulls, Untraceable
from sluice.contract.checks.symbols.symbol import Symbol
from sluice.contract.checks.symbols.table import SymbolicTable, symbol_of
from sluice.contract.columns import Column, Keep, Reference, Severity
from sluice.contract.contract import Contract
from sluice.contract.errors import ContractError
from sluice.contract.gate import CANARY
from sluice.contract.values.spellings import check_format

Kind = Literal["row", "unique", "aggregate", "pandas", "reference", "across_batches"]

UNPARSED = sa.column("_unparsed", sa.Text())
ROW_NUMBER = sa.column("_row_number", sa.BigInteger())


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """One rule of a contract, ready to be run.

    Attributes:
        name: says the rule (`passenger_count >= 1`); unique in its contract, and what a reason in quarantine reads.
        kind: `row` and `aggregate` are expressions for the one scan, `unique` is a separate grouped query,
            `reference` and `across_batches` look keys up in what is published, `pandas` could not be traced and runs
            in pandera over streamed chunks.
        columns: that it looks at, as far as known.
        passes: for `row` and `aggregate`, the SQL expression; false means failed, null means passed.
        keep: for `unique`, which row of a group passes: `first`, `last` or none (False).
        looks_up: for `reference` and `across_batches`, the dataset and columns whose published keys it looks at.
        untraced: for `pandas`, the operation that has no known equal in SQL.
        across: for `pandas`, why it looks at other rows than the one it judges: it cannot be run in chunks.
        pandera: the check itself, for the pandas way; None for one that a column is not null, and of keys.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    severity: Severity
    tolerance: float | None
    passes: Any = None
    keep: Keep = False
    looks_up: tuple[str, tuple[str, ...]] | None = None
    untraced: str | None = None
    across: str | None = None
    pandera: pa.Check | None = None


def checks_of(contract: Contract, batch: str) -> tuple[Check, ...]:
    """Every check of a contract for one batch, in the order of its columns, then those of the table.

    Raises:
        ContractError: there is none, two have one name, or a tolerance names no check.
    """
    schema = contract.pandera_schema
    for column in contract.columns:
        if column.format is not None:
            check_format(f"{contract}: {column.name}", column.type, column.format)
    checks: list[Check] = []
    for column in contract.columns:
        checks += _column_checks(column, schema.columns[column.name])
        checks += _checks_of_published(contract, column)
    checks += _table_checks(contract, schema)
    checks += [_of_reference(each) for each in references_of(contract) if len(each.columns) > 1]
    checks += _batch_check(contract, batch)
    _refuse_muddles(contract, checks)
    named = contract.gate.tolerance  # says more exactly what is meant than the column's
    return tuple(replace(check, tolerance=named.get(check.name, check.tolerance)) for check in checks)


def is_unparsed(column: str) -> sa.ColumnElement[bool]:
    """Whether a row holds the source's text for this column because it did not parse (`_unparsed`, JSON)."""
    return sa.func.coalesce(
        UNPARSED.contains(f'"{column}":', autoescape=True) | UNPARSED.contains('"_row":', autoescape=True),
        sa.false(),
    )


def columns_read(check: Check) -> set[str]:
    """The columns that a check looks at: those that it names, and those of its expression if it was traced."""
    traced = () if check.passes is None else visitors.iterate(check.passes)
    named = {each.name for each in traced if isinstance(each, sa.ColumnClause)}
    return (named | set(check.columns)) - {UNPARSED.name, ROW_NUMBER.name}


def _column_checks(column: Column, spec: pa.Column) -> list[Check]:
    checks = []
    options: dict[str, Any] = {
        "columns": (column.name,),
        "severity": column.severity,
        "tolerance": column.tolerance,
    }
    symbol = symbol_of(column)
    if not column.nullable or column.warns_of_null:
        present = symbol.element.is_not(None) | is_unparsed(column.name)
        severity = {"severity": "warn"} if column.warns_of_null else {}
        checks.append(Check(f"{column.name} not null", "row", passes=present, **options | severity))
    for check in spec.checks:
        settings = {**options, "severity": "warn" if check.raise_warning else column.severity}
        nulls = Nulls.DROPPED if check.ignore_na else Nulls.KEPT  # pandera drops a column's nulls before it asks
        subject = Symbol(symbol.element, symbol.kind, nulls=nulls)
        checks.append(_trace(check_name(column.name, check), check, subject, settings))
    if spec.unique:
        checks.append(Check(f"{column.name} unique", "unique", keep=column.keep, **options))
    return checks


def _checks_of_published(contract: Contract, column: Column) -> list[Check]:
    checks: list[Check] = []
    options: dict[str, Any] = {"columns": (column.name,), "severity": column.severity, "tolerance": column.tolerance}
    if column.references is not None:
        checks.append(_of_reference(reference_of(column)))
    if column.unique_in_dataset:
        own = (contract.dataset_id, (column.name,))
        checks.append(Check(dataset_check_name(own[0], column), "across_batches", looks_up=own, **options))
    return checks


def _of_reference(reference: Reference) -> Check:
    looks_up = (reference.dataset, reference.names)
    settings = (reference.columns, reference.severity, reference.tolerance)
    return Check(short(reference.check_name), "reference", *settings, looks_up=looks_up)


def _table_checks(contract: Contract, schema: pa.DataFrameSchema) -> list[Check]:
    checks = []
    table = SymbolicTable(contract.columns)
    for check in schema.checks:
        name = short(str(check.name))
        severity: Severity = "warn" if check.raise_warning else "error"
        options: dict[str, Any] = {"columns": (), "severity": severity, "tolerance": None}
        checks.append(_trace(name, check, table, options))
    if schema.unique:
        names = (schema.unique,) if isinstance(schema.unique, str) else tuple(schema.unique)
        checks.append(Check(short(f"({', '.join(names)}) unique"), "unique", names, "error", None))
    return checks


def _batch_check(contract: Contract, batch: str) -> list[Check]:
    batches, by = contract.files.batches, contract.files.batches.by
    if by is None:
        return []
    column = next(column for column in contract.columns if column.name == by)
    symbol = symbol_of(column)
    zoned = symbol.kind not in ("date", "timestamp")
    window = batches.instants(batch) if zoned else batches.window(batch)
    if window is None:
        return []
    first, after = (moment.date() if symbol.kind == "date" else moment for moment in window)
    inside = (symbol >= first) & (symbol < after)
    rule = pa.Check.in_range(first, after, include_max=False)
    return [Check(f"{by} in batch", "row", (by,), "error", None, passes=inside.element, pandera=rule)]


def _trace(name: str, check: pa.Check, subject: Symbol | SymbolicTable, options: Mapping[str, Any]) -> Check:
    try:
        outcome = _call(check, subject)
    except Untraceable as reason:
        across = str(reason) if isinstance(reason, AcrossRows) else _across(check)
        return Check(name, "pandas", untraced=str(reason), across=across, pandera=check, **options)
    passes = outcome.element
    if outcome.aggregate:  # unknown is a mean of no values, of which pandera cannot say that it passes
        passes = sa.func.coalesce(passes, sa.false())
        return Check(name, "aggregate", passes=passes, pandera=check, **options)
    if outcome.nulls is Nulls.GUARDED and isinstance(subject, Symbol):
        passes = sa.or_(subject.element.is_(None), passes)
    return Check(name, "row", passes=passes, pandera=check, **options)


def _across(check: pa.Check) -> str | None:
    found = None if check.element_wise else across_rows(function_of(check))
    return f".{found}()" if found else None


def _call(check: pa.Check, subject: Symbol | SymbolicTable) -> Symbol:
    """What a check function answers to symbols.

    Raises:
        Untraceable: it asks for something that symbols do not answer, or answers with no truth value.
    """
    if check.groupby is not None:
        raise AcrossRows("groupby")
    if check.element_wise:
        raise Untraceable("element_wise")
    own = is_builtin(check)  # of pandera's: what it compares with is in its statistics
    function = getattr(builtin_checks, str(check.name)) if own else function_of(check)
    if source_code.asks_for_type(function):
        raise Untraceable("type()")
    try:
        answer = function(subject, **((check.statistics or {}) if own else arguments_of(check)))
    except Untraceable:
        raise
    except Exception as error:  # the author's code: in pandas it errs again, and the gate stays closed
        raise Untraceable(f"{type(error).__name__}: {error}") from error
    if not isinstance(answer, Symbol) or answer.kind != "boolean":
        raise Untraceable(f"answers with {answer.kind if isinstance(answer, Symbol) else type(answer).__name__}")
    return answer


def _refuse_muddles(contract: Contract, checks: list[Check]) -> None:
    names = [check.name for check in checks]
    twice = sorted({name for name in names if names.count(name) > 1})
    taken = sorted({CANARY, *map(parse_check_name, contract.columns)}.intersection(names))
    unknown = sorted(set(contract.gate.tolerance) - set(names))
    if not checks:
        raise ContractError(f"{contract}: no checks, so its gate would never close; add a check to a column")
    if twice:
        raise ContractError(f"{contract}: two checks have the name {twice[0]!r}; name one of them")
    if taken:
        raise ContractError(f"{contract}: {taken[0]!r} is the name of a built-in check; choose another name")
    if unknown:
        raise ContractError(f"{contract}: the gate has a tolerance for {unknown[0]!r}, which is not one of its checks")

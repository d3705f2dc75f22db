"""What an audit writes down of a row that fails, and what was counted of each check -> its report. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sluice.contract.checks.compile import UNPARSED, Check
from sluice.contract.checks.names import SHAPE_CHECK, parse_check_name
from sluice.contract.columns import WHOLE_ROW
from sluice.contract.contract import Contract
from sluice.contract.gate import CANARY, AuditReport, CheckResult

UNREADABLE, EMPTY = 0, -1  # row numbers of the canary rows; those of real rows start at 1
# What could not be read of each canary row, by its number: one was not divided into cells, one is all null
CANARY_ROWS: Mapping[int, str | None] = {UNREADABLE: json.dumps({WHOLE_ROW: "canary"}), EMPTY: None}
SAMPLE_ROWS = 5  # kept per check: enough to see what is wrong, few enough for an alert
Sample = tuple[Mapping[str, Any], ...]


def rejected(checks: Sequence[Check], fails: Mapping[str, sa.ColumnElement[bool]]) -> sa.ColumnElement[bool]:
    """Whether a row is rejected: a cell did not parse, or a check of severity error fails.

    Args:
        fails: whether a row fails a check, by its name; unknown is no.
    """
    return sa.or_(UNPARSED.is_not(None), *(fails[check.name] for check in checks if check.severity == "error"))


def reasons(contract: Contract, fails: Mapping[str, sa.ColumnElement[bool]]) -> list[sa.ColumnElement[Any]]:
    """The name of each check that a row fails, null for one that it passes; those of its unparsed cells first."""
    parse = [("_row", SHAPE_CHECK), *((column.name, parse_check_name(column)) for column in contract.columns)]
    unparsed = [
        sa.case((UNPARSED.contains(f'"{key}":', autoescape=True), sa.literal(name, sa.Text()))) for key, name in parse
    ]
    return [*unparsed, *(sa.case((failed, sa.literal(name, sa.Text()))) for name, failed in fails.items())]


def report_of(
    contract: Contract,
    checks: Sequence[Check],
    alive: CheckResult,
    rows: int,
    rejected: int,
    failing: Mapping[str, int],
    errors: Mapping[str, str],
    samples: Mapping[str, Sample],
    notes: Mapping[str, str] | None = None,
) -> AuditReport:
    """The results in order: the canary rows', of cells that did not parse where there are any, of each check.

    Args:
        alive: the result of the canary rows.
        failing: how many rows fail, by the name of a check; none if it is not in there.
        errors: why a check could not be run, by its name.
        samples: failing rows, by the name of a check.
        notes: how a check was judged, by its name.
    """

    def result(name: str, severity: Any, tolerance: float | None) -> CheckResult:
        sample = samples.get(name, ())
        note = (notes or {}).get(name, "")
        return CheckResult(name, severity, tolerance, rows, failing.get(name, 0), errors.get(name), sample, note)

    parse = [(SHAPE_CHECK, None), *((parse_check_name(c), c.tolerance) for c in contract.columns)]
    unparsed = [result(name, "error", tolerance) for name, tolerance in parse if failing.get(name)]
    asked = [result(check.name, check.severity, _tolerance(check)) for check in checks]
    return AuditReport(rows, rejected, (alive, *unparsed, *asked))


def columns_shown(contract: Contract, checks: Sequence[Check]) -> dict[str, tuple[str, ...]]:
    """The columns that a failing row's sample shows, by the name of a check."""
    everything = tuple(column.name for column in contract.columns)
    shown = {check.name: check.columns or everything for check in checks}
    shown |= {parse_check_name(column): (column.name,) for column in contract.columns}
    return shown | {SHAPE_CHECK: ("_row",)}


def due_of_empty_row(contract: Contract, checks: Sequence[Check]) -> set[str]:
    """The checks for which a row that is all null must be rejected."""
    due = {f"{column.name} not null" for column in contract.columns if not column.nullable}
    return due & {check.name for check in checks if check.severity == "error"}


def canary_result(contract: Contract, checks: Sequence[Check], rejected: Mapping[int, set[str]]) -> CheckResult:
    """The result of the canary rows: passed, or errored, which closes the gate.

    Args:
        checks: those that could be run.
        rejected: by the number of each canary row, the checks that it was rejected for.
    """
    due = due_of_empty_row(contract, checks)
    wanted = {UNREADABLE: {SHAPE_CHECK}, **({EMPTY: due} if due else {})}
    missed = [number for number, reasons in wanted.items() if not reasons <= rejected.get(number, set())]
    error = (
        "a row that should have been rejected was accepted, so the results of this audit cannot be trusted"
        if missed
        else None
    )
    return CheckResult(CANARY, "error", 0, len(wanted), len(missed), error)


def _tolerance(check: Check) -> float | None:
    return check.tolerance if check.kind != "aggregate" else check.tolerance or 0

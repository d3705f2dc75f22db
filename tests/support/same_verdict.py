"""What `sluice check` finds in a file, held against what a run found in it."""

from __future__ import annotations

from typing import Any

from sluice.contract.contract import Contract
from sluice.contract.gate import AuditReport, CheckResult, decide
from sluice.file_check.check import FileCheck


def assert_same_verdict(contract: Contract, checked: FileCheck, found: AuditReport) -> None:
    """Verdict, reasons, counts, and the results of all checks with their samples.

    Args:
        found: by the audit in the database.
    """
    report = checked.report
    assert report is not None, checked.reasons
    assert (report.rows, report.accepted, report.rejected) == (found.rows, found.accepted, found.rejected)
    assert [result.name for result in report.results] == [result.name for result in found.results]
    for ours, theirs in zip(map(_facts, report.results), map(_facts, found.results), strict=True):
        assert ours == theirs, f"{ours}\nbut in the database\n{theirs}"
    decision = decide(contract.gate, found)
    assert checked.verdict == ("passed" if decision.open else "held")
    assert checked.reasons[: len(decision.reasons)] == decision.reasons
    assert checked.warnings == decision.warnings


def _facts(result: CheckResult) -> dict[str, Any]:
    error = result.error and result.error.split(":")[0]  # pandas and PostgreSQL word an error differently
    return {
        "name": result.name,
        "severity": result.severity,
        "tolerance": result.tolerance,
        "rows": result.rows,
        "failing": result.failing,
        "error": error,
        "sample": [{name: _number(value) for name, value in row.items()} for row in result.sample],
    }


def _number(value: Any) -> Any:
    """Of a double beyond 2**53, PostgreSQL and Python may write different digits that read back as the same double."""
    return float(value) if isinstance(value, int) and abs(value) > 2**53 else value

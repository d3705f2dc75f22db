"""CheckResult, AuditReport, decide(). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sluice.contract.columns import Severity
from sluice.contract.contract import Gate
from sluice.contract.formatting import counted, percent

CANARY = "canary rows are rejected"  # the result that shows that the audit is alive; each report must have it


class CheckOutcome(StrEnum):
    """What a check says of its batch."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    ERRORED = "errored"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found in one batch.

    Attributes:
        rows: how many rows it looked at.
        failing: how many of them failed; for an aggregate, all or none.
        error: why the check itself could not be run, if so.
        sample: up to five failing rows, with their row number in the source.
        note: what a reader should know of how it was judged.
    """

    name: str
    severity: Severity
    tolerance: float | None
    rows: int
    failing: int
    error: str | None = None
    sample: tuple[Mapping[str, Any], ...] = ()
    note: str = ""

    @property
    def share(self) -> float:
        """Share of rows that failed, 0 to 1."""
        return self.failing / self.rows if self.rows else 0.0

    @property
    def outcome(self) -> CheckOutcome:
        """`failed` closes the gate; failing rows within the tolerance of an error check are rejected and pass."""
        if self.error is not None:
            return CheckOutcome.ERRORED
        if self.severity == "warn":
            return CheckOutcome.WARNED if self.share > (self.tolerance or 0) else CheckOutcome.PASSED
        exceeded = self.tolerance is not None and self.share > self.tolerance
        return CheckOutcome.FAILED if exceeded else CheckOutcome.PASSED

    @property
    def is_noted(self) -> bool:
        """Whether it passed with failing rows in a way that a reader should know of."""
        return self.outcome == "passed" and bool(self.failing and self.note)

    def __str__(self) -> str:
        if self.error is not None:
            return f"the check {self.name} could not be run: {self.error}"
        allowed = f" (tolerance {percent(self.tolerance)})" if self.tolerance is not None else ""
        return f"{percent(self.share)} of rows fail {self.name}{allowed}{self.note and f' ({self.note})'}"


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What the audit of one batch found: rows = accepted + rejected.

    Attributes:
        results: of every check, and of the canary rows.
    """

    rows: int
    rejected: int
    results: tuple[CheckResult, ...]

    @property
    def accepted(self) -> int:
        """Rows that failed no check of severity error."""
        return self.rows - self.rejected

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """The results of checks: all but the canary rows'."""
        return tuple(result for result in self.results if result.name != CANARY)


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate: open, or closed with every reason; warnings do not close it."""

    open: bool
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return "gate open" if self.open else "gate closed: " + "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Known:
    """What is published of a dataset, to compare a batch with.

    Attributes:
        rows_before: rows of the published batch that comes before this one, or that is of the same weekday, if there
            is one.
        rows_replaced: rows of the published load of the same batch, if there is one.
        same_bytes: another batch that is published from a file of the very same bytes.
        same_files: two files of this batch that have the very same bytes.
        gone: files that the published load of the same batch has and this one lacks, with their rows.
    """

    rows_before: int | None = None
    rows_replaced: int | None = None
    same_bytes: str | None = None
    same_files: tuple[str, str] | None = None
    gone: tuple[tuple[str, int], ...] = ()


def decide(gate: Gate, report: AuditReport, known: Known | None = None) -> Decision:
    """Open the gate, or close it and say why.

    Args:
        gate: the contract's limits.
        report: what the audit found.
        known: what is published already.
    """
    known = known or Known()
    reasons = [str(result) for result in report.results if result.outcome in ("failed", "errored")]
    warnings = tuple(str(result) for result in report.results if result.outcome == "warned" or result.is_noted)
    if not report.checks:
        reasons.append("no check was run")
    if len(report.checks) == len(report.results):
        reasons.append("the canary rows were not checked, so the results of this audit cannot be trusted")
    if report.rows == 0:
        reasons.append("the batch has no rows")
    elif report.rejected / report.rows > gate.max_rejected:
        share = percent(report.rejected / report.rows)
        mostly = "" if reasons else _mostly(report)
        reasons.append(f"{share} of rows are rejected (at most {percent(gate.max_rejected)}){mostly}")
    reasons += _volume(gate, report.rows, known.rows_before, f"of {_before(gate)}")
    reasons += _volume(gate, report.rows, known.rows_replaced, "that it replaces")
    if known.same_bytes is not None and gate.same_bytes == "hold":
        reasons.append(
            f"its file has the same bytes as the published batch {known.same_bytes}; if this is correct, release it, "
            'or set Gate(same_bytes="accept") where each file is a full snapshot'
        )
    if known.same_files is not None and gate.same_bytes == "hold":
        reasons.append(
            f"its files {' and '.join(known.same_files)} have the same bytes; if this is correct, release it, or set "
            'Gate(same_bytes="accept")'
        )
    if known.gone:
        reasons.append(_gone(known.gone))
    return Decision(not reasons, tuple(reasons), warnings)


def _gone(files: Sequence[tuple[str, int]]) -> str:
    (address, rows), *more = files
    others = f" (nor {counted(len(more), 'other')})" if more else ""
    return (
        f"its file {address}, published with {counted(rows, 'row')}, is no longer there{others}; put it back, or, if "
        "this is correct, release it"
    )


def _mostly(report: AuditReport) -> str:
    """The check that rejects most, for a gate that no single check closes."""
    rejecting = [result for result in report.results if result.severity == "error" and result.failing]
    if not rejecting:
        return ""
    most = max(rejecting, key=lambda result: result.failing)
    note = f"; {most.note}" if most.note else ""
    return f", most often for {most.name} ({counted(most.failing, 'row')}{note})"


def _before(gate: Gate) -> str:
    return "the same weekday before" if gate.rows_vs == "weekday" else "the batch before"


def _volume(gate: Gate, rows: int, rows_before: int | None, what: str) -> list[str]:
    if gate.rows_vs_last is None or not rows_before or not rows:
        return []
    fewest, most = gate.rows_vs_last
    ratio = rows / rows_before
    if fewest <= ratio <= most:
        return []
    return [f"{rows:,} rows are {ratio:.2f} times the {rows_before:,} {what} ({fewest} to {most} allowed)"]

"""The gate's decision, as a table of cases."""

from __future__ import annotations

import pytest

from sluice.contract.contract import Gate
from sluice.contract.errors import ContractError
from sluice.contract.formatting import percent
from sluice.contract.gate import CANARY, AuditReport, CheckResult, Known, decide

ALIVE = CheckResult(CANARY, "error", 0, 2, 0)


def result(failing: int, *, severity: str = "error", tolerance: float | None = None, error: str | None = None):
    return CheckResult("a >= 0", severity, tolerance, 100, failing, error)


@pytest.mark.parametrize(
    ("check", "rejected", "reasons", "warnings"),
    [
        (result(0), 0, (), ()),
        (result(5), 5, (), ()),
        (result(6), 6, ("6% of rows are rejected (at most 5%), most often for a >= 0 (6 rows)",), ()),
        (result(3, tolerance=0.03), 3, (), ()),
        (result(4, tolerance=0.03), 4, ("4% of rows fail a >= 0 (tolerance 3%)",), ()),
        (result(1, tolerance=0.0), 1, ("1% of rows fail a >= 0 (tolerance 0%)",), ()),
        (result(1, severity="warn"), 0, (), ("1% of rows fail a >= 0",)),
        (result(1, severity="warn", tolerance=0.01), 0, (), ()),
        (result(0, error="it crashed"), 0, ("the check a >= 0 could not be run: it crashed",), ()),
        (result(0, severity="warn", error="it crashed"), 0, ("the check a >= 0 could not be run: it crashed",), ()),
    ],
)
def test_the_gate_closes_beyond_a_tolerance_and_says_why(check, rejected, reasons, warnings) -> None:
    decision = decide(Gate(max_rejected=0.05), AuditReport(100, rejected, (ALIVE, check)))
    assert (decision.open, decision.reasons, decision.warnings) == (not reasons, reasons, warnings)


def test_no_rows_and_no_checks_are_reasons() -> None:
    assert decide(Gate(max_rejected=1), AuditReport(0, 0, (ALIVE,))).reasons == (
        "no check was run",
        "the batch has no rows",
    )


def test_an_audit_that_shows_no_canary_opens_no_gate() -> None:
    assert not decide(Gate(max_rejected=1), AuditReport(100, 0, (result(0),))).open
    dead = CheckResult(CANARY, "error", 0, 2, 1, "a row that should have been rejected was accepted")
    assert not decide(Gate(max_rejected=1), AuditReport(100, 0, (dead, result(0)))).open


@pytest.mark.parametrize(("before", "opens"), [(None, True), (50, True), (200, True), (201, False), (49, False)])
def test_rows_are_compared_with_the_batch_before(before: int | None, opens: bool) -> None:
    gate = Gate(max_rejected=0.05, rows_vs_last=(0.5, 2.0))
    assert decide(gate, AuditReport(100, 0, (ALIVE, result(0))), Known(before)).open is opens
    assert decide(gate, AuditReport(100, 0, (ALIVE, result(0))), Known(None, before)).open is opens


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_tolerance_that_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(ContractError, match="share of rows from 0 to 1"):
        Gate(max_rejected=share)


@pytest.mark.parametrize(
    ("share", "text"), [(0.1579, "15.79%"), (0.05, "5%"), (0, "0%"), (1, "100%"), (0.00001, "<0.01%"), (0.1, "10%")]
)
def test_shares_read_as_people_write_them(share: float, text: str) -> None:
    assert percent(share) == text


def test_the_same_bytes_under_another_name_are_held_unless_the_contract_accepts_them() -> None:
    report = AuditReport(100, 0, (ALIVE, result(0)))
    held = decide(Gate(), report, Known(same_bytes="2024-01"))
    assert "the same bytes as the published batch 2024-01" in str(held)
    assert decide(Gate(same_bytes="accept"), report, Known(same_bytes="2024-01")).open

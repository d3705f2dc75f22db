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


# ---- what a reason says, in full: it is what people act on


def test_a_reason_names_the_check_that_rejects_most_and_what_to_know_of_it() -> None:
    few = CheckResult("b is unique", "error", None, 100, 7)
    most = CheckResult("a >= 0", "error", None, 100, 10, note="judged against 2 loads")
    warns = CheckResult("c <= 9", "warn", None, 100, 60)
    (reason,) = decide(Gate(max_rejected=0.05), AuditReport(100, 15, (ALIVE, few, most, warns))).reasons
    assert reason == ("15% of rows are rejected (at most 5%), most often for a >= 0 (10 rows; judged against 2 loads)")


def test_no_check_is_named_where_another_reason_is_given_or_none_rejects() -> None:
    closes = CheckResult("b is unique", "error", 0.01, 100, 7, note="7 keys")
    assert decide(Gate(max_rejected=0.05), AuditReport(100, 15, (ALIVE, closes, result(8)))).reasons == (
        "7% of rows fail b is unique (tolerance 1%) (7 keys)",
        "15% of rows are rejected (at most 5%)",
    )
    unparsed = AuditReport(100, 15, (ALIVE, result(0), result(9, severity="warn")))
    assert decide(Gate(max_rejected=0.05), unparsed).reasons == ("15% of rows are rejected (at most 5%)",)


def test_a_share_at_the_limit_opens_and_one_row_more_closes() -> None:
    assert decide(Gate(max_rejected=0), AuditReport(3, 0, (ALIVE, result(0)))).open
    assert not decide(Gate(max_rejected=0), AuditReport(3, 1, (ALIVE, result(0)))).open
    assert decide(Gate(max_rejected=1), AuditReport(3, 3, (ALIVE, result(0)))).open


def test_what_passed_with_failing_rows_and_a_note_is_a_warning() -> None:
    noted = CheckResult("customer is known", "error", 0.1, 100, 5, note="of customers published on 2024-01-02")
    silent, none = CheckResult("a >= 0", "error", 0.1, 100, 5), CheckResult("b", "error", 0.1, 100, 0, note="x")
    decision = decide(Gate(max_rejected=0.05), AuditReport(100, 5, (ALIVE, noted, silent, none)))
    assert (decision.open, decision.warnings) == (
        True,
        ("5% of rows fail customer is known (tolerance 10%) (of customers published on 2024-01-02)",),
    )
    assert (noted.is_noted, silent.is_noted, none.is_noted) == (True, False, False)
    assert not CheckResult("a", "error", 0.01, 100, 5, note="x").is_noted, "a check that failed is a reason"


def test_a_check_of_no_rows_has_no_share() -> None:
    assert CheckResult("a", "error", 0.0, 0, 0).share == 0
    assert CheckResult("a", "warn", None, 0, 0).outcome == "passed"
    assert CheckResult("a", "error", None, 4, 4).outcome == "passed", "without a tolerance its rows are rejected"
    assert CheckResult("a", "warn", 0.5, 4, 3).outcome == "warned"
    assert CheckResult("a", "warn", 0.5, 4, 2).outcome == "passed"


def test_a_report_tells_checks_from_canary_rows_and_accepted_from_rejected() -> None:
    report = AuditReport(100, 15, (ALIVE, result(15)))
    assert (report.accepted, report.checks) == (85, (result(15),))
    assert decide(Gate(max_rejected=1), AuditReport(100, 0, (result(0),))).reasons == (
        "the canary rows were not checked, so the results of this audit cannot be trusted",
    )


@pytest.mark.parametrize(
    ("versus", "known", "what"),
    [
        ("last", Known(rows_before=40), "2.50 times the 40 of the batch before"),
        ("weekday", Known(rows_before=40), "2.50 times the 40 of the same weekday before"),
        ("last", Known(rows_replaced=1_000), "0.10 times the 1,000 that it replaces"),
    ],
)
def test_a_volume_says_what_it_was_compared_with(versus: str, known: Known, what: str) -> None:
    gate = Gate(max_rejected=0.05, rows_vs_last=(0.5, 2.0), rows_vs=versus)  # type: ignore[arg-type]
    decision = decide(gate, AuditReport(100, 0, (ALIVE, result(0))), known)
    assert decision.reasons == (f"100 rows are {what} (0.5 to 2.0 allowed)",)


def test_both_volumes_are_compared_and_none_where_there_is_nothing_to_compare() -> None:
    gate = Gate(max_rejected=1, rows_vs_last=(0.5, 2.0))
    report = AuditReport(100, 0, (ALIVE, result(0)))
    assert len(decide(gate, report, Known(rows_before=1, rows_replaced=1)).reasons) == 2
    assert decide(gate, report, Known(rows_before=0, rows_replaced=0)).open
    assert decide(Gate(max_rejected=1, rows_vs_last=None), report, Known(rows_before=1)).open
    assert decide(gate, AuditReport(0, 0, (ALIVE, result(0))), Known(rows_before=9)).reasons == (
        "the batch has no rows",
    )


def test_the_same_bytes_are_named_with_the_way_out() -> None:
    report = AuditReport(100, 0, (ALIVE, result(0)))
    (batch,) = decide(Gate(), report, Known(same_bytes="2024-01")).reasons
    assert batch == (
        "its file has the same bytes as the published batch 2024-01; if this is correct, release it, "
        'or set Gate(same_bytes="accept") where each file is a full snapshot'
    )
    twins = Known(same_files=("a.csv", "b.csv"))
    assert decide(Gate(), report, twins).reasons == (
        "its files a.csv and b.csv have the same bytes; if this is correct, release it, or set "
        'Gate(same_bytes="accept")',
    )
    assert decide(Gate(same_bytes="accept"), report, twins).open


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ((("a.csv", 1),), "its file a.csv, published with 1 row, is no longer there; put it back, "),
        ((("a.csv", 1_200), ("b.csv", 2)), "a.csv, published with 1,200 rows, is no longer there (nor 1 other); put "),
        ((("a.csv", 3), ("b.csv", 2), ("c.csv", 1)), "is no longer there (nor 2 others); put it back, or, if this is "),
    ],
)
def test_a_file_that_is_gone_from_a_batch_closes_the_gate(gone: tuple[tuple[str, int], ...], said: str) -> None:
    (reason,) = decide(Gate(), AuditReport(100, 0, (ALIVE, result(0))), Known(gone=gone)).reasons
    assert said in reason
    assert reason.endswith("put it back, or, if this is correct, release it")


def test_a_decision_reads_as_one_line() -> None:
    report = AuditReport(100, 0, (ALIVE, result(0)))
    assert str(decide(Gate(), report)) == "gate open"
    closed = decide(Gate(max_rejected=1), AuditReport(0, 0, (ALIVE,)))
    assert str(closed) == "gate closed: no check was run; the batch has no rows"

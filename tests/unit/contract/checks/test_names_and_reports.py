"""What checks are called, and how what was counted of them becomes the audit's report."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandera.pandas as pa
import pytest

from sluice.contract.batches import Single
from sluice.contract.checks.compile import checks_of
from sluice.contract.checks.names import LONGEST, check_name, references_of, short
from sluice.contract.checks.report import canary_result, columns_shown, due_of_empty_row, report_of
from sluice.contract.columns import Int, Reference, Text, column
from sluice.contract.contract import Contract, Files
from sluice.contract.errors import ContractError
from sluice.contract.gate import CANARY, CheckResult


class Orders(pa.DataFrameModel):
    order_id: Int = column("Number of the order.", ge=1, tolerance=0.1)
    shop: Text = column("Where it was bought.", nullable=True, isin=["north"], severity="warn")
    note: Text = column("The buyer's words.", severity="warn")

    @pa.dataframe_check(name="most are of one shop")
    def most_are_of_one_shop(cls, orders: Any) -> Any:
        return orders["order_id"].mean() < 5


ORDERS = Contract("shop", "orders", "me", Orders, Files("orders.csv", Single()))
CHECKS = checks_of(ORDERS, "all")
ALIVE = CheckResult(CANARY, "error", 0, 2, 0)


# ---- names


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (pa.Check.eq(1), "c = 1"),
        (pa.Check.ne("a"), "c <> 'a'"),
        (pa.Check.gt(1.5), "c > 1.5"),
        (pa.Check.ge(1), "c >= 1"),
        (pa.Check.lt(date(2024, 2, 29)), "c < 2024-02-29"),
        (pa.Check.le(1), "c <= 1"),
        (pa.Check.in_range(1, 5), "c between 1 and 5"),
        (
            pa.Check.in_range(1, 5, include_max=False),
            "c in range {'min_value': 1, 'max_value': 5, 'include_min': True, 'include_max': False}",
        ),
        (
            pa.Check.in_range(1, 5, include_min=False),
            "c in range {'min_value': 1, 'max_value': 5, 'include_min': False, 'include_max': True}",
        ),
        (pa.Check.isin(["b", "a"]), "c in ('b', 'a')"),
        (pa.Check.notin([date(2024, 1, 1), 2]), "c not in (2024-01-01, 2)"),
        (pa.Check.str_matches("a+"), "c matches 'a+'"),
        (pa.Check.str_contains("a+"), "c contains 'a+'"),
        (pa.Check.str_startswith("a"), "c starts with 'a'"),
        (pa.Check.str_endswith("a"), "c ends with 'a'"),
        (pa.Check.str_length(1, None), "c not empty"),
        (pa.Check.str_length(2, None), "c has 2 or more characters"),
        (pa.Check.str_length(None, 3), "c has 0 to 3 characters"),
        (pa.Check.str_length(2, 3), "c has 2 to 3 characters"),
        (pa.Check.str_length(exact_value=4), "c has 4 characters"),
        (pa.Check.unique_values_eq([1]), "c: unique_values_eq"),
        (pa.Check(lambda values: values > 1, name="more than one"), "c: more than one"),
        (pa.Check(lambda values: values > 1, name="greater_than"), "c: greater_than"),
    ],
)
def test_a_check_is_called_by_what_it_asks(check: pa.Check, name: str) -> None:
    assert check_name("c", check) == name


def test_a_long_name_is_cut_and_stays_different_from_others() -> None:
    assert short("x" * LONGEST) == "x" * LONGEST
    one, other = (short("x" * LONGEST + end) for end in "ab")
    assert one.startswith("x" * (LONGEST - 20) + "... (")
    assert len(one) == LONGEST - 20 + len("... (12345678)")
    assert one != other
    assert check_name("c", pa.Check.eq("x" * LONGEST)).startswith("c = 'xxx")
    assert len(check_name("c", pa.Check.eq("x" * LONGEST))) < LONGEST


def with_references(references: Any) -> Contract:
    return Contract("shop", "orders", "me", Orders, Files("orders.csv", Single()), references=references)


def test_a_reference_of_several_columns_is_read_with_its_pairs_in_order() -> None:
    contract = with_references({("order_id", "shop"): " shop__lines(number, place) "})
    assert references_of(contract) == (Reference(("order_id", "shop"), "shop__lines", ("number", "place")),)


EXAMPLE = 'as in references={("order_id", "line"): "shop__lines(order_id, line)"}'
NOT_NAMED = "name a dataset and its columns, " + EXAMPLE


@pytest.mark.parametrize(
    ("references", "message"),
    [
        ({("order_id", "shop"): "shop__lines"}, f"'shop__lines': {NOT_NAMED}"),
        ({("order_id", "shop"): "lines(number, place)"}, f"'lines(number, place)': {NOT_NAMED}"),
        ({("order_id", "shop"): "shop__Lines(number, place)"}, f"'shop__Lines(number, place)': {NOT_NAMED}"),
        ({("order_id", "shop"): "shop__lines(number, 1)"}, f"'shop__lines(number, 1)': {NOT_NAMED}"),
        (
            {("order_id", "shop"): "shop__lines(number)"},
            f"('order_id', 'shop') and ('number',) are not pairs of columns, {EXAMPLE}",
        ),
        (
            {("order_id", "order_id"): "shop__lines(number, place)"},
            f"('order_id', 'order_id') and ('number', 'place') are not pairs of columns, {EXAMPLE}",
        ),
        (
            {("order_id", "shop"): "shop__lines(number, number)"},
            f"('order_id', 'shop') and ('number', 'number') are not pairs of columns, {EXAMPLE}",
        ),
        (
            {"order_id": "shop__lines(number)"},
            "'shop__lines(number)' is one column: use column(references='shop__lines.number')",
        ),
        ({("order_id", "line"): "shop__lines(number, place)"}, "it has no column 'line'"),
    ],
)
def test_a_reference_that_cannot_be_read_says_what_to_write(references: Any, message: str) -> None:
    with pytest.raises(ContractError) as error:
        references_of(with_references(references))
    assert str(error.value) == f"shop__orders: references: {message}"


# ---- reports


def test_a_report_has_the_canary_rows_then_cells_that_did_not_parse_then_each_check() -> None:
    failing = {"order_id is integer": 2, "row is well-formed": 1, "order_id >= 1": 3, "note is text": 0}
    sample = ({"_row_number": 7},)
    report = report_of(
        ORDERS, CHECKS, ALIVE, 10, 6, failing, {"note not null": "it crashed"}, {"order_id >= 1": sample},
        {"order_id >= 1": "against 2 loads"},
    )  # fmt: skip
    assert (report.rows, report.rejected, report.results[0]) == (10, 6, ALIVE)
    assert report.results[1:] == (
        CheckResult("row is well-formed", "error", None, 10, 1),
        CheckResult("order_id is integer", "error", 0.1, 10, 2),
        CheckResult("order_id not null", "error", 0.1, 10, 0),
        CheckResult("order_id >= 1", "error", 0.1, 10, 3, None, sample, "against 2 loads"),
        CheckResult("shop in ('north')", "warn", None, 10, 0),
        CheckResult("note not null", "warn", None, 10, 0, "it crashed"),
        CheckResult("most are of one shop", "error", 0, 10, 0),
    )
    without_notes = report_of(ORDERS, CHECKS, ALIVE, 10, 6, failing, {}, {})
    assert {result.note for result in without_notes.results} == {""}


def test_a_sample_shows_the_columns_of_its_check_or_all() -> None:
    assert columns_shown(ORDERS, CHECKS) == {
        "order_id not null": ("order_id",),
        "order_id >= 1": ("order_id",),
        "shop in ('north')": ("shop",),
        "note not null": ("note",),
        "most are of one shop": ("order_id", "shop", "note"),
        "order_id is integer": ("order_id",),
        "shop is text": ("shop",),
        "note is text": ("note",),
        "row is well-formed": ("_row",),
    }


def test_an_empty_row_is_rejected_for_each_column_that_must_not_be_null() -> None:
    assert due_of_empty_row(ORDERS, CHECKS) == {"order_id not null"}


@pytest.mark.parametrize(
    ("rejected", "missed"),
    [
        ({0: {"row is well-formed"}, -1: {"order_id not null"}}, 0),
        ({0: {"row is well-formed", "more"}, -1: {"order_id not null", "more"}}, 0),
        ({0: {"row is well-formed"}, -1: {"note not null"}}, 1),
        ({-1: {"order_id not null"}}, 1),
        ({}, 2),
    ],
)
def test_a_canary_row_that_was_not_rejected_for_all_it_breaks_ends_trust(
    rejected: dict[int, set[str]], missed: int
) -> None:
    error = "a row that should have been rejected was accepted, so the results of this audit cannot be trusted"
    found = canary_result(ORDERS, CHECKS, rejected)
    assert found == CheckResult(CANARY, "error", 0, 2, missed, error if missed else None)


def test_only_one_canary_row_is_expected_where_an_empty_row_breaks_no_check() -> None:
    checks = [check for check in CHECKS if check.name != "order_id not null"]
    assert canary_result(ORDERS, checks, {0: {"row is well-formed"}}) == CheckResult(CANARY, "error", 0, 1, 0)

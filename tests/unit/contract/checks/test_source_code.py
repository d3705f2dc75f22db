"""What a check's function consists of, for the version of a contract; and the rows that a check is tried with."""

from __future__ import annotations

import inspect
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandera.pandas as pa

from sluice.contract.batches import Single
from sluice.contract.checks import source_code
from sluice.contract.checks.row_independence import ROWS, examples
from sluice.contract.columns import Date, Int, Text, column
from sluice.contract.contract import Contract, Files

LIMIT = 2
ZONES = {"b", "a"}
RATES = {"de": Decimal("0.19"), "since": date(2024, 1, 2), "for": timedelta(days=1), "by": object()}
ODD_KEYS = {(1, 2): 3}


def is_small(number: int) -> bool:
    return number < LIMIT


def rule(number: int) -> bool:
    return is_small(number) and is_small(number - 1)


def of_constants(zone: str) -> bool:
    return zone in ZONES and zone in RATES and zone in ODD_KEYS


class Rules:
    def small(self, number: int) -> bool:
        return number < 3


def test_a_rule_is_its_source_that_of_what_it_calls_and_the_constants_they_name() -> None:
    sources = [inspect.getsource(rule), inspect.getsource(is_small), "2"]
    assert source_code.text(rule) == "\n".join(sources)
    assert source_code.functions(rule) == [rule, is_small]
    closed_over = 5
    assert source_code.text(lambda number: number > closed_over).endswith("\n5")


def test_constants_are_the_same_text_in_every_process() -> None:
    named = source_code.text(of_constants).removeprefix(inspect.getsource(of_constants)).splitlines()
    odd, rates, zones = [line for line in named if line]
    assert odd == "dict"  # JSON has no such keys
    assert rates == '{"de": "0.19", "since": "2024-01-02", "for": "1 day, 0:00:00", "by": "object"}'
    assert zones == """["'a'", "'b'"]"""


def test_a_method_is_the_function_behind_it() -> None:
    assert source_code.functions(Rules().small) == [Rules.small]
    assert source_code.text(Rules().small) == inspect.getsource(Rules.small)


def test_nothing_of_panderas_is_an_authors() -> None:
    class Model(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True)

        @pa.dataframe_check(name="rule")
        def rule(cls, rows: Any) -> Any:
            return rows["n"] > LIMIT

    [check] = Model.to_schema().checks
    assert [function.__name__ for function in source_code.functions(check._check_fn)] == ["rule"]
    assert "pandera" not in source_code.text(check._check_fn).replace("@pa.", "")


def test_a_function_without_a_file_is_known_by_its_code() -> None:
    made: dict[str, Any] = {}
    exec("def one(n): return n.left\ndef two(n): return n.right", made)
    one, two = source_code.text(made["one"]), source_code.text(made["two"])
    assert one != two
    assert one == made["one"].__code__.co_code.hex() + "('left',)"


def test_the_code_of_a_function_has_that_of_all_functions_within() -> None:
    def outer() -> Any:
        return (lambda one: lambda inner: inner + one), (lambda two: two)

    names = [code.co_varnames[:1] for code in source_code.codes(outer)]
    assert sorted(names) == [(), ("inner",), ("one",), ("two",)]


def test_made_up_rows_hold_what_the_contract_names_and_ordinary_values() -> None:
    class Model(pa.DataFrameModel):
        n: Int = column("A number.", ge=12345)
        code: Text = column("A code.", nullable=True, isin=["special", "other"])
        day: Date = column("A day.")

    contract = Contract("t", "x", "me", Model, Files("x.csv", Single()))
    rows = examples(contract)
    assert list(map(str, rows.dtypes)) == ["int64[pyarrow]", "string[pyarrow]", "date32[day][pyarrow]"]
    assert len(rows) == ROWS
    assert {12345, 0, -1, 1_000_000} <= {*rows["n"]}
    assert not rows["n"].isna().any()
    assert {"special", "other", "", "zzzz"} <= {*rows["code"].dropna()}
    assert rows["code"].isna().any()
    assert date(2000, 2, 29) in {*rows["day"]}
    assert rows.equals(examples(contract))

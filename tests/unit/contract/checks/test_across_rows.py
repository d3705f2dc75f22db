"""A check that looks at other rows than the one it judges is known as such: chunks would give it another answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow
import pytest

from sluice.contract.batches import Single
from sluice.contract.checks.across_rows import across_rows
from sluice.contract.checks.compile import Check, checks_of
from sluice.contract.checks.in_pandas import failing_rows
from sluice.contract.checks.row_independence import NotARowCheck, examples, refuse
from sluice.contract.columns import Float, Int, column
from sluice.contract.contract import Contract, Files
from tests.support import hidden_rules


def is_first(values: Any) -> Any:
    return ~values.duplicated()


def hidden(name: str) -> Callable[[Any], Any]:
    return lambda values: getattr(values, name)()


def from_library(name: str) -> Callable[[Any], Any]:
    return lambda t: getattr(hidden_rules, name)(t["n"])


def contract_of(rule: Callable[[Any], Any]) -> Contract:
    class Model(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True)
        v: Float = column("A value.", nullable=True)

        @pa.dataframe_check(name="rule")
        def rule_of_the_table(cls, rows: Any) -> Any:
            return rule(rows)

    return Contract("t", "x", "me", Model, Files("x.csv", Single()))


def check_of(rule: Callable[[Any], Any]) -> Check:
    [check] = checks_of(contract_of(rule), "all")
    return check


def prove(rule: Callable[[Any], Any], chunk: pd.DataFrame) -> None:
    check = check_of(rule)
    refuse(partial(failing_rows, check), chunk, failing_rows(check, chunk), examples(contract_of(rule)))


FRAME = pyarrow.table({"n": [1, 2, 3, 4], "v": [1.0, 2.0, 3.0, 40.0]}).to_pandas(types_mapper=pd.ArrowDtype)
FRAME.index = pd.Index([1, 2, 3, 4])


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (lambda t: ~t["n"].duplicated(keep=False), ".duplicated()"),
        (lambda t: is_first(t["n"]), ".duplicated()"),
        (lambda t: (t["v"] - 1).abs() <= 3 * t["v"].std(), ".std()"),
        (lambda t: t["v"] <= t["v"].quantile(0.99), ".quantile()"),
        (lambda t: t["n"].diff().fillna(0) >= 0, ".diff()"),
        (lambda t: t["n"].map(t["n"].value_counts()) == 1, ".value_counts()"),
        (lambda t: t.groupby("n")["v"].transform("count") == 1, ".groupby()"),
        (lambda t: t["n"] > t["n"].mean(), "compares rows with an aggregate over all rows"),
    ],
)
def test_it_is_told_by_the_names_in_its_code(rule: Callable[[Any], Any], why: str) -> None:
    check = check_of(rule)
    assert (check.kind, check.across) == ("pandas", why)
    with pytest.raises(NotARowCheck, match="looks across rows"):
        failing_rows(check, FRAME)


@pytest.mark.parametrize("name", ["duplicated", "rank", "std", "cumsum"])
def test_it_is_told_by_what_a_library_asks_of_a_symbol(name: str) -> None:
    assert check_of(lambda t: hidden(name)(t["n"])).across == f".{name}()"


def test_an_attribute_is_seen_as_a_method_is() -> None:
    assert across_rows(lambda values: values.is_unique) == "is_unique"


HIDDEN = [name for name, value in vars(hidden_rules).items() if callable(value) and name[0].islower()]


@pytest.mark.parametrize("name", [name for name in HIDDEN if name != "small"])
def test_it_is_told_by_its_answer_where_no_code_says_so(name: str) -> None:
    chunk = pd.concat([FRAME.iloc[[0]]] * 9_000).set_axis(range(1, 9_001))  # all the same: every row passes
    assert check_of(from_library(name)).across is None
    with pytest.raises(NotARowCheck, match="depends on other rows"):
        prove(from_library(name), chunk)


@pytest.mark.parametrize(
    "rule",
    [
        lambda t: t["n"].apply(lambda value: value > 1),
        lambda t: t["n"].apply(lambda value: max(value, 2) > 2),
        lambda t: t["n"].astype("string[pyarrow]").str.count("1") > 0,
        lambda t: t[["n", "v"]].max(axis=1) < 3,
        lambda t: t["n"].astype("float64[pyarrow]") > 2,
        from_library("small"),
        lambda t: t["n"].map(lambda value: 1 / (value - 100) > -0.0102),  # raises for a row that the data do not have
    ],
)
def test_what_judges_each_row_by_itself_runs(rule: Callable[[Any], Any]) -> None:
    check = check_of(rule)
    assert (check.kind, check.across) == ("pandas", None)
    assert failing_rows(check, FRAME)
    prove(rule, FRAME)

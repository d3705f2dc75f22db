"""A check that looks at other rows than the one it judges is known as such: chunks would give it another answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow
import pytest

from contracts.checks import Check, checks_of
from contracts.columns import Float, Int, column
from contracts.contract import Contract, Files, Single
from flows.audit_pandas import NotARowCheck, failing_rows, refuse_across_rows


def is_first(values: Any) -> Any:
    return ~values.duplicated()


def hidden(name: str) -> Callable[[Any], Any]:
    return lambda values: getattr(values, name)()


def check_of(rule: Callable[[Any], Any]) -> Check:
    class Model(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True)
        v: Float = column("A value.", nullable=True)

        @pa.dataframe_check(name="rule")
        def rule_of_the_table(cls, rows: Any) -> Any:
            return rule(rows)

    [check] = checks_of(Contract("t", "x", "me", Model, Files("x.csv", Single())), "all")
    return check


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


@pytest.mark.parametrize(("name", "most"), [("duplicated", 0), ("cumsum", 3), ("rank", 3), ("shift", 3)])
def test_it_is_told_by_its_answer_where_the_code_does_not_say(name: str, most: int) -> None:
    check = check_of(lambda t: ~(hidden(name)(t["n"]) > most))
    assert check.across is None
    failing = failing_rows(check, FRAME)
    with pytest.raises(NotARowCheck, match="depends on other rows"):
        refuse_across_rows(check, FRAME, failing)


@pytest.mark.parametrize(
    "rule",
    [
        lambda t: t["n"].apply(lambda value: value > 1),
        lambda t: t[["n", "v"]].max(axis=1) < 3,
        lambda t: t["n"].astype("float64[pyarrow]") > 2,
    ],
)
def test_what_judges_each_row_by_itself_runs(rule: Callable[[Any], Any]) -> None:
    check = check_of(rule)
    assert (check.kind, check.across) == ("pandas", None)
    failing = failing_rows(check, FRAME)
    assert failing
    refuse_across_rows(check, FRAME, failing)

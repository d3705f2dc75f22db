"""One check over some rows, in pandas: which rows fail, which answers are refused, what is said of errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow
import pytest

from sluice.contract.batches import Single
from sluice.contract.checks.compile import Check, checks_of
from sluice.contract.checks.in_pandas import (
    NO_ANSWER,
    WRITE,
    failing_rows,
    frame_of,
    independently_failing,
    reason_of,
)
from sluice.contract.checks.row_independence import NotARowCheck, examples
from sluice.contract.columns import Float, Int, Text, column
from sluice.contract.contract import Contract, Files

ROWS = pyarrow.table({"n": [1, 2, None, 4], "v": [1.0, None, 3.0, 4.0], "word": ["a", "b", "c", None]})
FRAME = frame_of(ROWS, [11, 12, 13, 14])


def contract_of(rule: Callable[..., Any], pii: bool = False, **options: Any) -> Contract:
    """A contract with one check: of the column `n` where `of` says so, else of the table."""
    name = options.pop("of", None)

    class Model(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True)
        v: Float = column("A value.", nullable=True)
        word: Text = column("A word.", nullable=True, pii=pii)

        if name is None:

            @pa.dataframe_check(name="rule", **options)
            def rule_of_the_table(cls, rows: Any) -> Any:
                return rule(rows)

        else:

            @pa.check(name, name="rule", **options)
            def rule_of_the_column(cls, values: Any) -> Any:
                return rule(values)

    return Contract("t", "x", "me", Model, Files("x.csv", Single()))


def check_of(rule: Callable[..., Any], **options: Any) -> Check:
    [check] = checks_of(contract_of(rule, **options), "all")
    return check


def test_rows_are_given_as_arrow_holds_them_and_by_their_numbers() -> None:
    frame = frame_of(ROWS, [21, 22, 23, 24])
    assert list(map(str, frame.dtypes)) == ["int64[pyarrow]", "double[pyarrow]", "string[pyarrow]"]
    assert (frame.index.name, list(frame.index)) == ("_row_number", [21, 22, 23, 24])


@pytest.mark.parametrize(
    ("rule", "options", "failing"),
    [
        (lambda rows: rows["n"] > 1, {}, [11]),
        (lambda rows: (rows["n"] > 1) & (rows["v"] < 4), {}, [11, 14]),
        (lambda rows: rows["n"].map(lambda n: n != 4), {}, [14]),
        (lambda row: row["v"] != 1, {"element_wise": True}, [11, 12]),
        (lambda values: values > 1, {"of": "n"}, [11]),
        (lambda value: value > 1, {"of": "n", "element_wise": True}, [11]),
        (lambda values: values.notna(), {"of": "n", "ignore_na": False}, [13]),
        (lambda values: values.isna(), {"of": "n"}, [11, 12, 14]),  # it is not asked of nulls
        (lambda values: values > 0, {"of": "n"}, []),
    ],
)
def test_the_rows_that_fail_are_given_by_number(
    rule: Callable[..., Any], options: dict[str, Any], failing: Any
) -> None:
    found = failing_rows(check_of(rule, **options), FRAME)
    assert found == failing
    assert all(type(number) is int for number in found)


def test_a_check_of_panderas_own_is_asked_with_its_arguments() -> None:
    class Model(pa.DataFrameModel):
        n: Int = column("A number.", nullable=True, ge=2)

    [check] = checks_of(Contract("t", "x", "me", Model, Files("x.csv", Single())), "all")
    assert failing_rows(check, FRAME) == [11]
    one_by_one = Check(
        "rule", "pandas", ("n",), "error", None, pandera=pa.Check(between, element_wise=True, low=2, high=3)
    )
    assert failing_rows(one_by_one, FRAME) == [11, 14]


def between(value: int, low: int, high: int) -> bool:
    return low <= value <= high


def test_unknown_passes_where_a_null_was_compared_and_nowhere_else() -> None:
    assert failing_rows(check_of(lambda rows: rows["n"] > rows["v"]), FRAME) == [11, 14]
    assert failing_rows(check_of(lambda rows: rows["n"].where(rows["n"] != 2) > 1), FRAME) == [11, 12], (
        "2 was made unknown"
    )
    assert failing_rows(check_of(lambda values: values.where(values != 2) > 1, of="n"), FRAME) == [11, 12]
    kept = check_of(lambda values: values.where(values != 2) > 1, of="n", ignore_na=False)
    assert failing_rows(kept, FRAME) == [11, 12], "the null itself was compared"
    element = check_of(lambda value: None if value == 2 else value > 0, of="n", element_wise=True)
    with pytest.raises(NotARowCheck, match="truth value"):
        failing_rows(element, FRAME)


def test_a_row_by_row_answer_of_unknown_fails() -> None:
    """As in pandera: an author's function was asked of that row, and has not accepted it."""
    assert failing_rows(check_of(lambda row: row["n"] > 1, element_wise=True), FRAME) == [11, 13]


def test_a_check_over_no_values_fails_nothing_and_is_not_asked() -> None:
    def rule(values: Any) -> Any:
        raise AssertionError(values)

    assert failing_rows(check_of(rule, of="n"), FRAME.iloc[2:3]) == []
    assert failing_rows(check_of(rule), FRAME.iloc[:0]) == []


@pytest.mark.parametrize(
    "rule",
    [
        lambda rows: len(rows) > 1,
        lambda rows: list(rows["n"] > 1),
        lambda rows: (rows["n"] > 1).head(2),
        lambda rows: (rows["n"] > 1).reset_index(drop=True),
        lambda rows: pd.Series([True, None, False, True], index=rows.index, dtype=object),
    ],
)
def test_an_answer_that_is_not_one_truth_value_a_row_is_refused(rule: Callable[..., Any]) -> None:
    check = Check("rule", "pandas", (), "error", None, pandera=pa.Check(rule))
    with pytest.raises(NotARowCheck, match=f"^{NO_ANSWER}$"):
        failing_rows(check, FRAME)


def test_a_check_without_a_function_or_across_rows_is_refused_by_what_it_looks_at() -> None:
    ranked = check_of(lambda rows: rows["n"].rank() > 1)
    with pytest.raises(NotARowCheck, match=r"^it looks across rows \(\.rank\(\)\)$"):
        failing_rows(ranked, FRAME)
    with pytest.raises(NotARowCheck, match="looks across rows"):
        failing_rows(Check("n unique", "unique", ("n",), "error", None), FRAME)


def test_what_a_check_changes_in_its_rows_no_other_check_sees() -> None:
    def rule(rows: Any) -> Any:
        rows["n"] = 0
        return rows["n"] > 1

    frame = FRAME.copy()
    check = Check("rule", "pandas", (), "error", None, pandera=pa.Check(rule))
    assert failing_rows(check, frame) == [11, 12, 13, 14]
    assert frame.equals(FRAME)


def test_a_check_is_asked_again_of_other_rows_before_its_answer_counts() -> None:
    alone = check_of(lambda rows: rows["n"].map(lambda n: n != 4))
    assert independently_failing(alone, FRAME, examples(contract_of(lambda rows: rows["n"] > 1))) == [14]

    asked: list[int] = []

    def as_many(rows: Any) -> Any:
        asked.append(len(rows))
        return pd.Series([len(rows) == 4] * len(rows), index=rows.index)

    grouped = Check("rule", "pandas", (), "error", None, pandera=pa.Check(as_many))
    with pytest.raises(NotARowCheck, match="depends on other rows"):
        independently_failing(grouped, FRAME, None)
    assert asked[0] == 4

    in_made_up_rows = Check("rule", "pandas", (), "error", None, pandera=pa.Check(lambda rows: least(rows) < 3))
    same = FRAME.iloc[[1, 1]].set_axis([1, 2])
    assert independently_failing(in_made_up_rows, same, None) == []
    with pytest.raises(NotARowCheck, match="depends on other rows"):
        independently_failing(in_made_up_rows, same, FRAME.set_axis(range(4)))


def least(rows: Any) -> Any:
    """The smallest number of all rows, for each; by a name that no list of pandas' methods has."""
    return pd.Series([min(rows["n"].fillna(9))] * len(rows), index=rows.index)


def test_an_error_of_a_check_is_one_line_that_quotes_no_personal_value() -> None:
    public, personal = (contract_of(lambda rows: rows["n"] > 1, pii) for pii in (False, True))
    assert reason_of(public, ValueError("bad value 'x'\nand more")) == "ValueError: bad value 'x'"
    assert reason_of(public, ValueError("  ")) == "ValueError"
    assert reason_of(personal, ValueError("bad value 'x'")) == "ValueError"
    for contract in (public, personal):
        assert reason_of(contract, NotARowCheck(NO_ANSWER)) == f"{NO_ANSWER}; {WRITE}"

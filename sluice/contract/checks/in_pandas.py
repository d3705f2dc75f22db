"""One check over some rows, in pandas. Pure.

The functions are called as pandera calls them (a column's nulls dropped first).
pandera's own switch (PANDERA_VALIDATION_ENABLED) has no say.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow

from sluice.contract.checks.compile import Check
from sluice.contract.checks.pandera_check import arguments_of, function_of
from sluice.contract.checks.row_independence import NotARowCheck, refuse
from sluice.contract.contract import Contract

WRITE = "check each row alone, or the whole column as in rows['x'].mean() < 5, or declare unique=True"

NO_ANSWER = "it does not return one truth value per row"


def frame_of(rows: pyarrow.Table, numbers: Any) -> pd.DataFrame:
    """The contract's columns as a check is given them: Arrow-backed, indexed by row number."""
    frame: pd.DataFrame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    frame.index = pd.Index(numbers, name="_row_number")
    return frame


def independently_failing(check: Check, frame: pd.DataFrame, made_up: pd.DataFrame | None) -> list[int]:
    """As `failing_rows`, for a check of which nothing shows that it judges each row alone.

    Args:
        made_up: for the first rows, `row_independence.examples`.

    Raises:
        NotARowCheck: its result for a row depends on other rows.
    """
    failing = failing_rows(check, frame)
    refuse(partial(failing_rows, check), frame, failing, made_up)
    return failing


def reason_of(contract: Contract, error: Exception) -> str:
    """An error of a check in one line. It may quote values, so that it is kept short where some are personal."""
    if isinstance(error, NotARowCheck):
        return f"{error}; {WRITE}"
    said = str(error).strip().splitlines()
    if not said or any(column.pii for column in contract.columns):
        return type(error).__name__
    return f"{type(error).__name__}: {said[0]}"


def failing_rows(check: Check, frame: pd.DataFrame) -> list[int]:
    """The index labels of the rows that fail. Unknown passes, as it does in SQL, where a null was compared.

    A function that returns unknown for a row has not accepted it: the row fails, as in pandera.

    Args:
        frame: Arrow-backed columns, indexed by row number.

    Raises:
        NotARowCheck: it answers with one value for all rows, or per group.
        Exception: any error of the check's function.
    """
    rule = check.pandera
    if rule is None or check.across:
        raise NotARowCheck(f"it looks across rows ({check.across})")
    subject: Any = frame[check.columns[0]] if check.columns else frame
    if check.columns and rule.ignore_na:
        subject = subject.dropna()
    if subject.empty:
        return []
    # A copy: what a check changes in the rows it is given, no one else is to see. pandas copies on write only.
    answer = _answer(rule, subject.copy(deep=False))
    if not isinstance(answer, pd.Series) or not answer.index.equals(subject.index):
        raise NotARowCheck(NO_ANSWER)
    if answer.dtype == object and any(each is None for each in answer):  # a forgotten return
        raise NotARowCheck(NO_ANSWER)
    passed = answer.astype("boolean")
    compared = not rule.element_wise and isinstance(answer.dtype, pd.ArrowDtype | pd.BooleanDtype)
    if compared and passed.hasnans:
        passed = passed.mask(passed.isna() & _null_where_read(rule, subject), True)
    return [int(number) for number in answer.index[~passed.fillna(False).to_numpy(dtype=bool)]]


def _null_where_read(rule: pa.Check, subject: pd.Series[Any] | pd.DataFrame) -> Any:
    """The rows with a null in what the check reads. A column is read if the check cannot do without it."""
    if isinstance(subject, pd.Series):
        return subject.isna()
    few = subject.iloc[:2]
    read = [name for name in subject.columns if not _able(rule, few.drop(columns=name))]
    return subject[read or list(subject.columns)].isna().any(axis=1)


def _able(rule: pa.Check, rows: pd.DataFrame) -> bool:
    try:
        _answer(rule, rows)
    except Exception:  # noqa: BLE001 - a check is a user's code
        return False
    return True


def _answer(rule: pa.Check, subject: Any) -> Any:
    if not rule.element_wise:
        return function_of(rule)(subject, **arguments_of(rule))
    if isinstance(subject, pd.Series):
        return subject.map(partial(_one_answer, rule))
    return subject.apply(partial(_one_answer, rule), axis=1)


def _one_answer(rule: pa.Check, value: Any) -> Any:
    answer = function_of(rule)(value, **arguments_of(rule))
    if answer is None:  # a forgotten return, which pandas would make the unknown answer of a null
        raise NotARowCheck(NO_ANSWER)
    return answer

"""Find checks that look at other rows than the one they judge. Pure: reads a function's code, runs nothing.

Such a check has another answer over a chunk of a table than over the table, so it must not run in chunks.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from sluice.contract.checks import source_code

# Methods of pandas whose answer for a row, or for all of them, depends on other rows. Not `count`: that of `.str` is a
# row's own, and the other is one value, which is asked for in SQL.
NAMES = frozenset(
    """
    agg aggregate all any argmax argmin argsort autocorr bfill corr cov cummax cummin cumprod cumsum describe
    diff drop_duplicates duplicated ewm expanding factorize ffill groupby idxmax idxmin interpolate is_monotonic
    is_monotonic_decreasing is_monotonic_increasing is_unique kurt kurtosis max mean median min mode nlargest
    nsmallest nunique pct_change pivot_table prod product qcut quantile rank resample rolling sem shift skew
    sort_values std sum transform unique value_counts var
    """.split()  # noqa: SIM905 - a list of sixty words in quotes is not read
)


def across_rows(check: Callable[..., Any]) -> str | None:
    """The first method of pandas by which a check's function looks across rows; None if it names none.

    With `axis` in a call, as in `rows[["a", "b"]].max(axis=1)`, methods may go along a row, and are let pass.
    """
    for code in (code for function in source_code.functions(check) for code in source_code.codes(function)):
        along_rows = any(isinstance(const, tuple) and "axis" in const for const in code.co_consts)
        if not along_rows and (found := next((name for name in _attributes(code) if name in NAMES), None)):
            return found
    return None


def _attributes(code: CodeType) -> Iterator[str]:
    """What is asked of objects: the `max` of `values.max()`, not that of `max(a, b)`."""
    return (each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_ATTR", "LOAD_METHOD"))

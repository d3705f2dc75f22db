"""Rules as a library would have them: nothing in the code of a check that calls one shows what it looks at."""

from __future__ import annotations

from typing import Any


def _numbers(values: Any) -> Any:
    return values.astype("float64[pyarrow]")


def not_far_above_the_mean(values: Any) -> Any:
    return _numbers(values) <= 100 * abs(_numbers(values).mean()) + 10_000


def within_three_deviations(values: Any) -> Any:
    numbers = _numbers(values)
    return ~((numbers - numbers.mean()).abs() > 3 * numbers.std())


def told_once(values: Any) -> Any:
    return ~_numbers(values).duplicated()


def among_the_first(values: Any) -> Any:
    return _numbers(values).rank() <= 30


def rising(values: Any) -> Any:
    return ~(_numbers(values).diff() < 0)


def in_a_short_table(values: Any) -> Any:
    return _numbers(values).notna() & (len(values) < 10_000)


def of_some_kinds(values: Any) -> Any:
    return (_numbers(values) > -1) | (_numbers(values).nunique() > 3)


def small(values: Any) -> Any:
    return _numbers(values) < 4

"""What a contract's author could write about rows: check functions, each with its words, its columns and its kinds."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class Rule:
    """A check function over a table (or, given a column's name, over that column), and what it is called in reports."""

    words: str
    judge: Callable[[Any], Any]
    columns: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return self.words


def constant(*values: Any) -> st.SearchStrategy[Rule]:
    return st.sampled_from(values).map(lambda value: Rule(repr(value), lambda _: value))


def col(name: str) -> Rule:
    return Rule(name, lambda things: things[name], frozenset([name]))


def cols(names: str) -> st.SearchStrategy[Rule]:
    return st.sampled_from([col(name) for name in names])


def combine(kind: str | tuple[str, ...], words: str, compute: Callable[..., Any], *rules: Rule) -> Rule:
    told = words.format(*(rule.words for rule in rules))
    columns = frozenset().union(*(rule.columns for rule in rules))
    own = frozenset([kind] if isinstance(kind, str) else kind)
    kinds = own.union(*(rule.kinds for rule in rules))
    return Rule(told, lambda things: compute(*(rule.judge(things) for rule in rules)), columns, kinds)


def method(kind: str, words: str, call: Callable[[Any], Any], on: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    return on.map(lambda rule: combine(kind, "{}" + words, call, rule))


COMPARE = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def comparison(kind: str, left: Any, right: Any) -> st.SearchStrategy[Rule]:
    return st.builds(
        lambda sign, one, other: combine((kind, sign), f"({{}} {sign} {{}})", COMPARE[sign], one, other),
        st.sampled_from(sorted(COMPARE)),
        left,
        right,
    )

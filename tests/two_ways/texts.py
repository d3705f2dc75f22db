"""Regular expressions, and rules that look for them."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from tests.two_ways.rules import Rule, cols, combine

CHARACTERS = "ab1 -\n.é$]^_A\\{"
_sets = ["[ab]", "[^a]", "[a-z0-9]", r"[\]\-^]", r"[^\d]", r"[\w.]", "[é$]", ".", r"\d", r"\w", r"\s", r"\D", r"\S"]
patterns = st.recursive(
    st.sampled_from(CHARACTERS).map(re.escape) | st.sampled_from(_sets),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,}", "*?", "+?"])).map(
            lambda two: f"(?:{two[0]}){two[1]}"
        ),
    ),
    max_leaves=5,
)
patterns = st.builds(
    lambda start, middle, end: start + middle + end, st.sampled_from(["", "^"]), patterns, st.sampled_from(["", "$"])
)


def found(how: str) -> st.SearchStrategy[Rule]:
    def rule(on: Rule, pattern: str, na: bool | None) -> Rule:
        options = {} if na is None else {"na": na}
        told = f"{{}}.str.{how}({pattern!r}, {options})".replace("{", "{{").replace("}", "}}").replace("{{}}", "{}", 1)
        return combine(f".str.{how}", told, lambda x: getattr(x.str, how)(pattern, **options), on)

    return st.builds(rule, cols("s"), patterns, st.sampled_from([None, True, False]))

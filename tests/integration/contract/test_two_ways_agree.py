"""Some drawn contracts and frames, judged in pandas and in SQL; and wrong translations, which such a trial must find.

`python -m tests.two_ways` tries thousands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import Phase
from hypothesis import strategies as st

from sluice.contract.checks.symbols import accessors, patterns
from sluice.contract.checks.symbols.accessors import SymbolicText, SymbolicTime
from sluice.contract.checks.symbols.symbol import Symbol
from tests.two_ways.column_rules import FieldRule, keys
from tests.two_ways.contracts import CONTRACTS, contracts_of
from tests.two_ways.row_rules import numbers, whole
from tests.two_ways.rules import comparison
from tests.two_ways.table_rules import aggregate, of_nulls
from tests.two_ways.texts import found
from tests.two_ways.trial import Difference, Tried, hold, warehouse

PAIRS = 6  # of each kind of contract: seconds in all
MOST = 300  # pairs in which a wrong translation must be found; most are found in the first few

pytestmark = pytest.mark.filterwarnings("ignore:This pattern")  # pandas, of groups


@pytest.fixture(scope="module")
def connection(postgres_url: sa.URL) -> Iterator[sa.Connection]:
    with warehouse(postgres_url) as connection:
        yield connection


@pytest.mark.parametrize("what", CONTRACTS)
def test_both_ways_find_the_same_rows(connection: sa.Connection, what: str) -> None:
    tried = Tried()
    hold(connection, tried, CONTRACTS[what], PAIRS, phases=[Phase.generate, Phase.shrink])
    assert tried.pairs["contracts with a frame"] >= PAIRS
    assert tried.checks["held together, passing"] + tried.checks["held together, failing"] >= PAIRS


def _only(rules: Any, fields: Any = keys) -> st.SearchStrategy[Any]:
    return contracts_of(rules, rules, fields)


_equal = comparison("numbers", numbers, whole)
_at_least = st.sampled_from([0, 1, -1, 7]).map(lambda low: FieldRule("ge", "a", {"ge": low}))
_octets = lambda text: Symbol(sa.func.octet_length(text._element), "integer", nulls=text._symbol.nulls)  # noqa: E731

# What is broken, in what contracts it must be found, and how it is broken.
MUTANTS: dict[str, tuple[st.SearchStrategy[Any], Any, str, Any]] = {
    ">= for >": (_only(_equal, _at_least), Symbol, "__ge__", Symbol.__gt__),
    "a null is in every list": (CONTRACTS["lists"], Symbol, "_if_null", lambda *made: made[1]),
    "nulls of a column unguarded": (CONTRACTS["nulls"], Symbol, "_guarded", lambda symbol: symbol.nulls),
    "| for &": (CONTRACTS["combined"], Symbol, "__or__", Symbol.__and__),
    "abs forgotten": (CONTRACTS["numbers"], Symbol, "__abs__", lambda symbol: symbol),
    "sums for means": (_only(aggregate("mean")), Symbol, "mean", lambda symbol: symbol.sum()),
    "shares of all but nulls": (_only(of_nulls), Symbol, "isna", Symbol.notna),
    "bytes for characters": (CONTRACTS["texts"], SymbolicText, "len", _octets),
    "Sunday first": (
        CONTRACTS["parts of times"],
        SymbolicTime,
        "dayofweek",
        property(lambda time: time._part("dow")),
    ),
    "a match anywhere": (_only(found("match")), accessors, "match_pattern", patterns.contains_pattern),
}


@pytest.mark.parametrize("broken", MUTANTS)
def test_a_wrong_translation_is_found(connection: sa.Connection, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    contracts, where, name, wrong = MUTANTS[broken]
    monkeypatch.setattr(where, name, wrong)
    with pytest.raises(Difference):
        hold(connection, Tried(), contracts, MOST)

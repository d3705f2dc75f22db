"""Numbers and names as people read them."""

from __future__ import annotations

import pytest

from sluice.contract.formatting import folded, span


def by_letter(word: str) -> str | None:
    return None if word[0] == "x" else word[0]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([], []),
        (["a1", "a2", "a3", "a4", "a5"], [["a1"], ["a2"], ["a3"], ["a4"], ["a5"]]),
        (["b1", "a1", "a2", "a3", "b2", "a4", "a5", "a6"], [["b1"], ["a1", "a2", "a3", "a4", "a5", "a6"], ["b2"]]),
        (["x1", "x1", "x3", "x4", "x5", "x6"], [["x1"], ["x1"], ["x3"], ["x4"], ["x5"], ["x6"]]),
    ],
)
def test_many_that_are_alike_are_shown_as_one_where_the_first_of_them_is(
    words: list[str], shown: list[list[str]]
) -> None:
    assert folded(words, by_letter) == shown


def test_a_line_for_many_batches_says_how_many_and_which() -> None:
    assert span(["2021-01"]) == "2021-01"
    assert span([f"2021-{month:02}" for month in range(1, 13)]) == "12 batches, 2021-01 to 2021-12"

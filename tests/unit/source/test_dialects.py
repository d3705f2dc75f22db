"""How a file is written, where only its beginning is looked at."""

from __future__ import annotations

import pytest

from sluice.contract.batches import Single
from sluice.contract.contract import Files
from sluice.source.dialects.dialect import MOST_LINES, proposed


@pytest.mark.parametrize("lines_of_the_last", [2, 300])
def test_a_field_of_several_lines_that_the_samples_end_cuts_hides_no_delimiter(lines_of_the_last: int) -> None:
    whole = [f'{n},"first, of {n}\r\nsecond",x\r\n' for n in range((MOST_LINES - lines_of_the_last) // 2)]
    cut = '9,"' + "a line; with, signs\r\n" * MOST_LINES + '",x\r\n'
    text = "id,note,kind\r\n" + "".join(whole) + cut
    found = proposed(text.encode(), Files("x.csv", Single()), frozenset())
    assert (found.delimiter, found.quote, found.skip) == (",", '"', 0)

"""What a run says of a mart that differs."""

from __future__ import annotations

from sluice.marts.compare import Compared


def test_keys_that_were_not_compared_are_not_counted_as_none() -> None:
    assert str(Compared("orders", ("",), 100, 200, None, None)) == "orders: 100 rows before, 200 now"
    assert str(Compared("orders", ("",), 100, 200, 101, 1)) == "orders: 100 rows before, 200 now; keys +101 -1"

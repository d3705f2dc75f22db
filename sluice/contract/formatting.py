"""Numbers, shares and first lines as people read them."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """A number of things as people read it: `1 row`, `2,000 rows`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def percent(share: float | None) -> str:
    """A share as people read it: 0.1579 is `15.79%`, 0.05 is `5%`."""
    if share is None:
        return "-"
    text = f"{share * 100:.2f}".rstrip("0").rstrip(".")
    return f"{text}%" if text != "0" or share == 0 else "<0.01%"

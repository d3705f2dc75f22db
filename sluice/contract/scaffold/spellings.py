"""What a text column looks like that no type reads: dates, numbers and truth values in other spellings. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sluice.contract.authoring.annotations import quoted

# (pattern of every cell, pattern of one at least, what is seen, how a model makes a value of it)
_LOOKS = (
    (r"^[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}$", "", "day.month.year dates", "to_date(..., 'DD.MM.YYYY')"),
    (
        r"^[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}[ T][0-9:]+$",
        "",
        "day.month.year times",
        "to_timestamp(..., 'DD.MM.YYYY HH24:MI:SS')::timestamp",
    ),
    (
        r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4}$",
        "",
        "dates, day or month first",
        "to_date(..., 'DD/MM/YYYY') or 'MM/DD/YYYY'",
    ),
    (
        r"^-?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]+)?$",
        ",",
        "numbers with thousands separators",
        "replace(..., ',', '')::numeric",
    ),
    (
        r"^-?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)(,[0-9]+)?$",
        ",",
        "numbers with a decimal comma",
        "replace(replace(..., '.', ''), ',', '.')::numeric",
    ),
    (r"(?i)^(y|n|yes|no|j|ja|nein|t|f)$", "", "yes and no", "lower(left(..., 1)) in ('y', 'j', 't')"),
)


def looks_like(texts: pa.Array) -> tuple[str, str] | None:
    """What every text is a spelling of, and the SQL that reads it in a model; None if it is text, or nothing."""
    held = pc.utf8_trim(texts.drop_null(), " \t")
    if not len(held):
        return None
    for every, one, what, read in _LOOKS:
        if _matches(held, every, pc.all) and _matches(held, one, pc.any):
            return what, read
    return None


def undecided_words(ways: Sequence[str]) -> tuple[str, str]:
    """What a sample does not decide of a column that stays text, and how to give it a type by one of these formats."""
    named = [f"format={quoted(way)}" for way in ways[:3]]
    if "%" not in ways[0]:
        what = "numbers whose comma may stand before decimals or between thousands"
        return what, f"make it an Int with {named[0]} or a Float with {named[1]}"
    kind = "Timestamp" if any(part in ways[0] for part in ("%H", "%I")) else "Date"
    return "dates whose order the sample does not decide", f"make it a {kind} with {' or '.join(named)}"


def _matches(texts: pa.Array, pattern: str, how: object) -> bool:
    return bool(how(pc.match_substring_regex(texts, pattern)).as_py())  # type: ignore[operator]

"""What a text column looks like that no type reads: dates, numbers and truth values in other spellings. Pure."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

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


def _matches(texts: pa.Array, pattern: str, how: object) -> bool:
    return bool(how(pc.match_substring_regex(texts, pattern)).as_py())  # type: ignore[operator]

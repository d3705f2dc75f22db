"""Column names that need no quotes in SQL, and do not hide what a pandera model brings along. Pure."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

import pandera.pandas as pa
from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from sluice.contract.validation import POSTGRES_COLUMNS

LONGEST_NAME = 56  # of the 63 that PostgreSQL keeps; leaves room for `column_`, or a number where two meet
_RESERVED = {*RESERVED_WORDS, *keyword.kwlist, *dir(pa.DataFrameModel), *POSTGRES_COLUMNS, "column", "pa"}
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # aB, and ABc as in PULocation


def column_names(sources: Iterable[str]) -> list[str]:
    """A name in lower snake case for each of the source's; no two are the same."""
    names: list[str] = []
    for place, source in enumerate(sources, start=1):
        name = wanted = column_name(source) or f"column_{place}"
        number = 2
        while name in names:
            name, number = f"{wanted}_{number}", number + 1
        names.append(name)
    return names


def column_name(source: str) -> str:
    """The source's name in lower snake case: `PULocationID` is pu_location_id. Empty if it has no Latin letter."""
    words = _WORDS.sub("_", source)
    plain = re.sub(r"[^A-Za-z0-9]+", "_", words).lower().strip("_")[:LONGEST_NAME].rstrip("_")
    return f"column_{plain}" if plain[:1].isdigit() or plain in _RESERVED else plain


def in_words(name: str) -> str:
    """A name as the beginning of a sentence: `Unit price`."""
    words = name.removeprefix("column_").replace("_", " ")
    return words[:1].upper() + words[1:]


def class_name(entity: str, taken: Iterable[str]) -> str:
    """`YellowTrips` for yellow_trips; never one that the contract file imports."""
    name = "".join(part.capitalize() for part in entity.split("_"))
    return f"{name}Rows" if name in set(taken) or keyword.iskeyword(name) else name

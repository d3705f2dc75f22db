"""How the site words values: verdicts, counts, times, sizes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from markupsafe import Markup

from sluice.contract.formatting import percent

NONE = "\N{EN DASH}"
REJECTED = "rows rejected"
STATES = {  # how a word is drawn; the word itself is always shown
    "ok": ("published", "passed", "pass", "success", "fresh"),
    "warn": ("warned", "warn", "late", "rolled back"),
    "bad": ("held", "failed", "fail", "errored", "error", "stale", "runtime error", "partial success"),
}
DBT = {"pass": "passed", "warn": "warned", "fail": "failed", "error": "errored"}  # its words, in ours
GLYPHS = {"ok": "✓", "warn": "▲", "bad": "■", "idle": NONE}  # they differ by their shape, too


def state(word: str, text: str | None = None) -> Markup:
    """A verdict: a mark, a colour, and always the word; dbt's own words become Sluice's."""
    kind = kind_of(word)
    mark = Markup('<span class="state {}"><i aria-hidden="true">{}</i>{}</span>')
    return mark.format(kind, GLYPHS[kind], text or in_words(word))


def kind_of(word: str) -> str:
    """How a verdict is drawn: ok, warn, bad or idle."""
    return next((kind for kind, words in STATES.items() if word in words), "idle")


def in_words(word: str) -> str:
    """A verdict as people read it."""
    return DBT.get(word, word.replace("_", " "))


def count(number: int | None) -> str:
    """1,369,765; a dash for what is not known."""
    return NONE if number is None else f"{number:,}"


def when(moment: datetime | None) -> str | Markup:
    """A moment in UTC, to the minute."""
    if moment is None:
        return NONE
    utc = moment.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(f"{utc:%Y-%m-%dT%H:%MZ}", f"{utc:%Y-%m-%d %H:%M}")


def size(count: int | None) -> str:
    """Bytes, in a unit that leaves few digits."""
    if count is None:
        return NONE
    scaled, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while scaled >= 1000 and len(units) > 1:
        scaled /= 1000
        units.pop(0)
    return f"{scaled:,.0f} {units[0]}" if units[0] == "B" else f"{scaled:,.1f} {units[0]}"


def took(load: sa.Row) -> str:
    """How long a load took, from its start to its verdict."""
    return NONE if load.finished_at is None else f"{(load.finished_at - load.started_at).total_seconds():,.1f} s"


def shown(value: object) -> str:
    """A cell of a sample."""
    return "null" if value is None else str(value)


def measured(value: Decimal | None, measure: str) -> str:
    """A measure of a mart: a share as a share, anything else as a number."""
    if value is None:
        return NONE
    return percent(float(value)) if "share" in measure else f"{value.normalize():,f}"


def breakable(name: str) -> Markup:
    """A long name, which a narrow screen may break after each underscore."""
    return Markup("_<wbr>").join(name.split("_"))


def pair(row: sa.Row) -> tuple[str, sa.Row]:
    """A measure by its name."""
    return row.measure, row


def prose(text: str) -> Markup:
    """A description; what stands in it between backticks is code."""
    parts = (text if len(text.split("`")) % 2 else text.replace("`", "")).split("`")
    return Markup("").join(Markup("<code>{}</code>").format(p) if n % 2 else p for n, p in enumerate(parts))


FILTERS: Mapping[str, Callable[..., Any]] = {
    word.__name__: word for word in (state, count, when, size, took, shown, pair, prose, measured, breakable, percent)
}

"""What a message to an owner says. Pure: takes plain values, returns an Alert; flows/alerts.py sends it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MAX_SAMPLES = 5  # rows shown in a message; the quarantine holds all of them
MAX_VALUE = 120  # characters shown of one value; a row must fit on a phone's screen
MAX_BODY = 12_000  # characters of a message; Slack cuts a text at 40,000, mail servers far later

# What Slack obeys: `<!channel>`, `<@U123>`, `<http://a|b>`. Apprise's Slack plugin escapes a value's `<`
# and then turns exactly these back into orders.
ORDER = re.compile(r"(?:[!@]|(?:https?|mailto):/*)(?=[^|\s]+(?:[ \t]*\|[^\n]*)?>)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Alert:
    """One message. `title` is one line; `body` is plain text that says everything `title` says.

    Attributes:
        kind: what happened, as the end of the event's name (`gate_closed` -> `sluice.gate_closed`).
    """

    kind: str
    dataset_id: str | None
    batch: str | None
    title: str
    body: str
    owner: str

    def __str__(self) -> str:
        return self.title


def render(
    kind: str,
    *,
    owner: str,
    dataset_id: str | None = None,
    batch: str | None = None,
    reasons: Sequence[str] = (),
    numbers: Mapping[str, object] | None = None,
    samples: Sequence[Mapping[str, object]] = (),
    readers_see: str = "",
    next_command: str = "",
) -> Alert:
    """Write the message.

    Args:
        kind: `gate_closed`, `dbt_failed`, `run_crashed` or another name of lower case words and `_`.
        reasons: what failed, one sentence each, the numbers against the tolerance in it.
        numbers: counts and shares to list, by their names.
        samples: rows that failed; the first five are shown. Columns that hold personal data are the caller's
            to mask.
        readers_see: what stands in front of readers now.
        next_command: what to type to look further.
    """
    subject = " ".join(part for part in (dataset_id, batch) if part) or "sluice"
    title = plain(f"{subject}: {kind.replace('_', ' ')}")
    sections = [
        title,
        _section("What failed", (f"- {_tame(plain(reason, limit=2_000))}" for reason in reasons)),
        _section("Numbers", (f"- {plain(name)}: {_number(v)}" for name, v in (numbers or {}).items())),
        _section(_samples_heading(len(samples)), (f"- {_row(row)}" for row in samples[:MAX_SAMPLES])),
        readers_see and f"Readers see: {plain(readers_see, limit=2_000)}",
        next_command and f"Next: {plain(next_command, limit=2_000)}",
        f"Owner: {plain(owner)}",
    ]
    body = "\n\n".join(section for section in sections if section)
    if len(body) > MAX_BODY:
        body = body[:MAX_BODY] + f"\n... {len(body) - MAX_BODY:,} more characters"
    return Alert(kind=kind, dataset_id=dataset_id, batch=batch, title=title, body=body, owner=owner)


def _section(heading: str, lines: Iterable[str]) -> str:
    listed = "\n".join(lines)
    return f"{heading}:\n{listed}" if listed else ""


def _samples_heading(count: int) -> str:
    return f"Sample rows (the first {MAX_SAMPLES})" if count > MAX_SAMPLES else "Sample rows"


def _row(row: Mapping[str, object]) -> str:
    return ", ".join(f"{plain(name)}={'null' if v is None else _tame(plain(v))}" for name, v in row.items())


def _tame(text: str) -> str:
    """Break with a space what a chat service would take for an order."""
    return ORDER.sub(r"\g<0> ", text)


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else plain(value)


def plain(value: object, limit: int = MAX_VALUE) -> str:
    """One line of visible characters: line breaks, escapes, marks that turn text around are spelled out."""
    text = str(value)
    shown = "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else char
        for char in text[:limit]
    )
    return shown if len(text) <= limit else f"{shown}... ({len(text):,} characters)"

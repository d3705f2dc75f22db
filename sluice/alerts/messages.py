"""What a message to an owner says. Pure: takes plain values, returns an Alert; sluice/alerts/channels.py sends it,
sluice/alerts/escaping.py escapes it for its channel."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sluice.contract.formatting import counted

MAX_SAMPLES = 5  # rows shown in a message; the quarantine holds all of them
MAX_VALUE = 120  # characters shown of one value; a row must fit on a phone's screen
MAX_BODY = 12_000  # characters of a message; Slack cuts a text at 40,000, mail servers far later

Stage = Literal["first", "reminder", "recovery"]


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
    stage: Stage = "first"

    @property
    def event(self) -> str:
        """The name of the Prefect event: `sluice.gate_closed`, in the end `sluice.gate_closed.recovered`."""
        return f"sluice.{self.kind}" + (".recovered" if self.stage == "recovery" else "")

    def __str__(self) -> str:
        return self.title


@dataclass(frozen=True, slots=True)
class Facts:
    """The content of a message. Plain values, which JSON can hold.

    Attributes:
        reasons: what failed (or, in a recovery, what is good again), one sentence each, the numbers against the
            tolerance in it.
        numbers: counts and shares to list, by their names.
        samples: rows that failed; the first five are shown. Columns that hold personal data are the caller's
            to mask.
        readers_see: what stands in front of readers now.
        downstream: marts and exposures that are built from it, as one phrase.
        next_command: what to type to look further.
    """

    reasons: Sequence[str] = ()
    numbers: Mapping[str, object] = field(default_factory=dict)
    samples: Sequence[Mapping[str, object]] = ()
    readers_see: str = ""
    downstream: str = ""
    next_command: str = ""


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long an incident has lasted, and which of its messages this is.

    Attributes:
        day: which day of it this is, the first is 1.
        was: what failed in the first place, for a recovery.
    """

    stage: Stage
    since: datetime
    now: datetime
    day: int = 1
    times_seen: int = 1
    was: Sequence[str] = ()


def render(
    kind: str,
    facts: Facts,
    *,
    owner: str,
    dataset_id: str | None = None,
    batch: str | None = None,
    lasting: Lasting | None = None,
) -> Alert:
    """Write the message.

    Args:
        kind: `gate_closed`, `dbt_failed`, `run_crashed` or another name of lower case words and `_`.
    """
    stage = lasting.stage if lasting else "first"
    subject = " ".join(part for part in (dataset_id, batch) if part) or "sluice"
    title = plain(f"{subject}: {_headline(kind.replace('_', ' '), lasting)}")
    sections = [
        title,
        _section("Recovered" if stage == "recovery" else "What failed", _sentences(facts.reasons)),
        _section("What failed", _sentences(lasting.was)) if lasting and stage == "recovery" else "",
        lasting and stage != "first" and _duration(lasting),
        _section("Numbers", (f"- {plain(name)}: {_number(v)}" for name, v in facts.numbers.items())),
        _section(_samples_heading(len(facts.samples)), (f"- {_row(row)}" for row in facts.samples[:MAX_SAMPLES])),
        facts.readers_see and f"Readers see: {plain(facts.readers_see, limit=2_000)}",
        facts.downstream and f"Downstream: {plain(facts.downstream, limit=2_000)}",
        facts.next_command and f"Next: {plain(facts.next_command, limit=2_000)}",
        f"Owner: {plain(owner)}",
    ]
    body = "\n\n".join(section for section in sections if section)
    if len(body) > MAX_BODY:
        body = body[:MAX_BODY] + f"\n... {len(body) - MAX_BODY:,} more characters"
    return Alert(kind, dataset_id, batch, title, body, owner, stage)


def _headline(what: str, lasting: Lasting | None) -> str:
    if lasting is None or lasting.stage == "first":
        return what
    if lasting.stage == "recovery":
        return f"recovered from {what}"
    return f"{what}, day {lasting.day}"


def _duration(lasting: Lasting) -> str:
    minutes = int((lasting.now - lasting.since).total_seconds() // 60)
    parts = {"day": minutes // 1440, "hour": minutes // 60 % 24, "minute": minutes % 60}
    long = [counted(n, name) for name, n in parts.items() if n][:2] or ["less than a minute"]
    seen = "" if lasting.times_seen == 1 else f", seen in {lasting.times_seen} runs"
    lasted = "It lasted" if lasting.stage == "recovery" else "It has lasted"
    return f"{lasted} {' '.join(long)}: since {lasting.since:%Y-%m-%d %H:%M} UTC{seen}."


def _sentences(reasons: Iterable[str]) -> Iterator[str]:
    return (f"- {plain(reason, limit=2_000)}" for reason in reasons)


def _section(heading: str, lines: Iterable[str]) -> str:
    listed = "\n".join(lines)
    return f"{heading}:\n{listed}" if listed else ""


def _samples_heading(count: int) -> str:
    return f"Sample rows (the first {MAX_SAMPLES})" if count > MAX_SAMPLES else "Sample rows"


def _row(row: Mapping[str, object]) -> str:
    return ", ".join(f"{plain(name)}={'null' if v is None else plain(v)}" for name, v in row.items())


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

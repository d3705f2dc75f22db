"""Open, remind of and resolve incidents, and write their messages to the outbox."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sluice.alerts.messages import Facts, Lasting, Stage, plain, render
from sluice.ledger.tables import OPEN, incidents, outbox

LOGGER = "prefect.sluice.alerts"  # below Prefect's, so that it goes where a run's logs go; needs no import of it
STILL_OPEN = incidents.c.resolved_at.is_(None)
EVENTS = "prefect events"  # the channel of every message that has no block; owners' channels are named type/name
OLD = timedelta(days=3)  # a reminder that waits for longer is replaced by the next one
DAY = timedelta(days=1)  # from one reminder to the next, counted from the first alert
# A run that meets the incident again reminds, even if it is a little faster than the one that reported first. Otherwise
# the reminder waits until that run has had its time: it may bring the recovery.
EARLY, LATE = timedelta(hours=1), timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Cause:
    """What identifies an incident.

    Attributes:
        subject: what it is about (`batch tlc__zones all`, `marts`); at most one incident is open for each.
        detail: what makes it another incident, to be reported again, although one of the kind is open: the reasons of a
            closed gate, say. Nothing that changes from night to night.
        reminded: whether a reminder is sent every day.
    """

    kind: str
    subject: str
    dataset_id: str | None = None
    batch: str | None = None
    detail: str = ""
    reminded: bool = True


@dataclass(frozen=True, slots=True)
class Owner:
    """Who is alerted. `block` is the notification block that reaches them, as `type/name`, if there is one."""

    name: str
    block: str | None


def saw(connection: sa.Connection, cause: Cause, facts: Facts, owners: Iterable[Owner], now: datetime) -> None:
    """Something is wrong: open its incident and write the first alert; or note that it is still so, and be silent."""
    row = _open(connection, cause.subject)
    newest = {"facts": asdict(facts), "owners": [[owner.name, owner.block] for owner in owners]}
    if row is not None and (row.kind, row.detail) == (cause.kind, cause.detail):
        _update(connection, row, last_seen_at=now, times_seen=incidents.c.times_seen + 1, **newest)
        _remind(connection, row.incident_id, now, EARLY)
        return
    if row is not None:
        _update(connection, row, resolved_at=now, resolved_as="replaced")
    opened = connection.execute(
        insert(incidents)
        .values(
            subject=cause.subject,
            kind=cause.kind,
            detail=cause.detail,
            dataset=cause.dataset_id,
            batch=cause.batch,
            reminded=cause.reminded,
            opened_at=now,
            last_seen_at=now,
            last_told_at=now,
            **newest,
        )
        .on_conflict_do_nothing(index_elements=["subject"], index_where=OPEN)
        .returning(incidents)
    ).one_or_none()
    if opened is not None:  # else another run opened it in this moment, and reports it
        _post(connection, opened, "first", facts, now)


def over(connection: sa.Connection, subjects: Sequence[str], now: Facts, at: datetime, *kinds: str) -> None:
    """What was wrong is good again: close the open incidents about these subjects, and write the recovery messages.

    Args:
        now: how things are now.
        kinds: only incidents of these kinds, if any are named.
    """
    wanted = STILL_OPEN & incidents.c.subject.in_(subjects)
    wanted &= incidents.c.kind.in_(kinds) if kinds else sa.true()
    query = sa.select(incidents).where(wanted).order_by(incidents.c.incident_id).with_for_update()
    for row in connection.execute(query).all():
        _update(connection, row, resolved_at=at, resolved_as="recovered")
        _post(connection, row, "recovery", now, at)


def remind(connection: sa.Connection, now: datetime) -> int:
    """Write the reminders that are due because nobody looked again: one a day for each open incident."""
    query = sa.select(incidents.c.incident_id).where(incidents.c.reminded, STILL_OPEN)
    found = connection.scalars(query.order_by(incidents.c.incident_id).with_for_update(skip_locked=True)).all()
    return sum(_remind(connection, number, now, -LATE) for number in found)


def _remind(connection: sa.Connection, number: int, now: datetime, shift: timedelta) -> bool:
    row = connection.execute(sa.select(incidents).where(incidents.c.incident_id == number)).one()
    due: bool = row.reminded and _day(row, now, shift) > _day(row, row.last_told_at)
    if due:
        _update(connection, row, last_told_at=now)
        _post(connection, row, "reminder", Facts(**row.facts), now)
    return due


def open_now(connection: sa.Connection) -> Sequence[sa.Row]:
    """The open incidents, the oldest first."""
    query = sa.select(incidents).where(STILL_OPEN).order_by(incidents.c.incident_id)
    return connection.execute(query).all()


def line(row: sa.Row) -> str:
    """An incident in one line."""
    about = " ".join(part for part in (row.dataset, row.batch) if part) or "sluice"
    why = plain(" ".join("; ".join(row.facts["reasons"]).split()), limit=200)
    return f"{about}: {row.kind.replace('_', ' ')} since {row.opened_at:%Y-%m-%d %H:%M} UTC: {why}"


def close(connection: sa.Connection, incident_id: int, who: str, now: datetime) -> bool:
    """Close it by manual decision. Sends no message. Returns whether the incident was open."""
    wanted = (incidents.c.incident_id == incident_id) & STILL_OPEN
    closing = incidents.update().where(wanted).values(resolved_at=now, resolved_as=f"closed by {who}")
    return bool(connection.execute(closing).rowcount)


def _open(connection: sa.Connection, subject: str) -> sa.Row | None:
    wanted = (incidents.c.subject == subject) & STILL_OPEN
    return connection.execute(sa.select(incidents).where(wanted).with_for_update()).one_or_none()


def _update(connection: sa.Connection, row: sa.Row, **values: Any) -> None:
    connection.execute(incidents.update().where(incidents.c.incident_id == row.incident_id).values(**values))


def _day(row: sa.Row, moment: datetime, shift: timedelta = EARLY) -> int:
    """Which day of the incident it is; the first is 1."""
    return int((moment - row.opened_at + shift) / DAY) + 1


def _post(connection: sa.Connection, row: sa.Row, stage: Stage, facts: Facts, now: datetime) -> None:
    """Write one message for each channel. A reminder is not an event."""
    lasting = Lasting(stage, row.opened_at, now, _day(row, now), row.times_seen, tuple(row.facts["reasons"][:3]))
    owners = [Owner(*pair) for pair in row.owners]
    channels = {owner.block: owner.name for owner in owners if owner.block}
    everyone = ", ".join(dict.fromkeys(owner.name for owner in owners))
    if stage != "reminder":
        channels[EVENTS] = everyone
    if stage == "first" and owners and not set(channels) - {EVENTS}:  # a project without a contract has no owner
        _warn_of_silence(row.dataset or row.subject)
    about = {"kind": row.kind, "dataset": row.dataset, "batch": row.batch, "created_at": now, "next_try_at": now}
    for channel, owner in channels.items():
        alert = render(row.kind, facts, owner=owner, dataset_id=row.dataset, batch=row.batch, lasting=lasting)
        text = {"owner": owner, "title": alert.title, "body": alert.body}
        if stage == "reminder":  # an old one that no channel took says the same: one that comes back is not flooded
            same = (outbox.c.incident_id == row.incident_id) & (outbox.c.channel == channel)
            unsent = same & (outbox.c.stage == "reminder") & outbox.c.sent_at.is_(None)
            connection.execute(outbox.delete().where(unsent, outbox.c.created_at < now - OLD))
        where = {"incident_id": row.incident_id, "stage": stage, "channel": channel}
        connection.execute(outbox.insert().values(**where, **about, **text))


@cache
def _warn_of_silence(about: str) -> None:
    logging.getLogger(LOGGER).warning(
        "%s: nobody is alerted, because no contract of it names a notification block. Create one and name it: "
        "Contract(alerts='slack-webhook/data-team'); docs/alerts.md shows how",
        about,
    )

"""Send what is in `ops.outbox`: each message at least once, in order for each incident and channel.

A message is claimed for a while, sent, then marked. If the sender is killed, the next one delivers it, so it
may come twice, and is never lost. Nothing here raises because of a channel, and no verdict waits for one.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from sluice.alerts import incidents
from sluice.alerts.incidents import EVENTS
from sluice.alerts.messages import Alert
from sluice.contract.errors import ToolError
from sluice.ledger.tables import outbox
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.postgres.transactions import brief
from sluice.warehouse.warehouse import Warehouse

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=15), timedelta(minutes=10)  # longer than any channel takes to answer
LATE = timedelta(days=1)  # from then on a message says when it was written: a channel may have been down for long
BESIDE = 2.0  # seconds between checks during a run
LAST = 30.0  # seconds that a run waits at its end for a slow channel; what is left goes with the next deliverer


def deliver(warehouse: Warehouse) -> tuple[int, int]:
    """Write the reminders that are due, and send every message that is due. How many were sent, and how many not.

    Raises:
        ToolError: the warehouse does not answer.
    """
    sent = failed = 0
    try:
        with brief(warehouse.engine) as connection:
            incidents.remind(connection, warehouse.now())
        while (row := _claim(warehouse)) is not None:
            problem = _send(row, warehouse.now())
            sent, failed = (sent, failed + 1) if problem else (sent + 1, failed)
            values = marks_of(problem, warehouse.now())
            with brief(warehouse.engine) as connection:
                connection.execute(outbox.update().where(outbox.c.message_id == row.message_id).values(**values))
    except DATABASE_ERRORS as error:
        raise ToolError(f"cannot read the outbox of alerts: {first_line(error)}") from None
    return sent, failed


@contextmanager
def delivering(warehouse: Warehouse) -> Iterator[None]:
    """Deliver the messages of the block while it runs, and wait a little for the rest at its end."""
    ended = threading.Event()

    def work() -> None:
        last = False
        while not last:
            last = ended.wait(BESIDE)
            quietly(warehouse)

    context = contextvars.copy_context()  # the run's logger
    courier = threading.Thread(target=context.run, args=(work,), name="sluice-alerts", daemon=True)
    courier.start()
    try:
        yield
    finally:
        ended.set()
        courier.join(LAST)


def quietly(warehouse: Warehouse) -> None:
    """Deliver; a warehouse that does not answer is a warning: the messages stay in it."""
    try:
        deliver(warehouse)
    except ToolError as error:
        logging.getLogger(incidents.LOGGER).warning("%s. The alerts stay in the outbox until it responds", error)


def marks_of(problem: str, now: datetime) -> dict[str, Any]:
    """What a try leaves in a message's row: that it was sent, or why not."""
    return {"last_error": problem} if problem else {"sent_at": now, "last_error": None}


def pause_after(attempts: int) -> timedelta:
    """How long a message that was tried so often before is kept for who tries it now: doubled by each try."""
    return min(FIRST_PAUSE * 2 ** min(attempts, 10), LONGEST_PAUSE)


def text_of(body: str, written: datetime, now: datetime) -> str:
    """A message's text, which says when it was written if that is long ago."""
    if now - written <= LATE:
        return body
    return f"Written {written:%Y-%m-%d %H:%M} UTC; it could not be sent before.\n\n{body}"


def undelivered(connection: sa.Connection) -> list[sa.Row]:
    """Messages that no channel has taken yet."""
    query = sa.select(outbox).where(outbox.c.sent_at.is_(None)).order_by(outbox.c.message_id)
    return list(connection.execute(query))


def _claim(warehouse: Warehouse) -> sa.Row | None:
    """One message that is due and that nobody else is sending; kept from others for as long as its next pause."""
    now = warehouse.now()
    earlier = outbox.alias()
    behind = sa.exists().where(
        earlier.c.incident_id == outbox.c.incident_id,
        earlier.c.channel == outbox.c.channel,
        earlier.c.message_id < outbox.c.message_id,
        earlier.c.sent_at.is_(None),
    )
    due = outbox.c.sent_at.is_(None) & (outbox.c.next_try_at <= now) & ~behind
    with brief(warehouse.engine) as connection:
        query = sa.select(outbox).where(due).order_by(outbox.c.message_id).limit(1)
        row = connection.execute(query.with_for_update(skip_locked=True)).one_or_none()
        if row is not None:
            claimed = outbox.update().where(outbox.c.message_id == row.message_id)
            due_again = now + pause_after(row.attempts)
            connection.execute(claimed.values(attempts=row.attempts + 1, next_try_at=due_again))
    return row


def _send(row: sa.Row, now: datetime) -> str:
    from sluice.alerts import channels  # imports Prefect, 2 s, which a run without a message does without

    body = text_of(row.body, row.created_at, now)
    alert = Alert(row.kind, row.dataset, row.batch, row.title, body, row.owner, row.stage)
    if row.channel == EVENTS:
        return channels.emit(alert, row.event_id)
    return channels.notify(alert, row.channel, known=row.last_error or "")

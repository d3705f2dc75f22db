"""What `sluice alerts` prints."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from sluice.alerts import incidents, outbox
from sluice.cli.output.tables import out, print_json
from sluice.contract.errors import ConfigError, ToolError
from sluice.contract.formatting import counted
from sluice.ledger.reading import NOTHING, is_there, read_only, reading
from sluice.runs import lifecycle
from sluice.warehouse.connection import forget_warehouse, open_warehouse
from sluice.warehouse.postgres.session import first_line
from sluice.warehouse.warehouse import Warehouse, person


def alerts(as_json: bool) -> None:
    """The open incidents, and messages that no channel has taken yet."""
    with reading() as connection:
        if connection is None:
            print_json([]) if as_json else out.print(NOTHING)
            return
        found, waiting = incidents.open_now(connection), outbox.undelivered(connection)
    late = {row.incident_id: f"{row.channel}: {row.last_error}" for row in waiting if row.last_error}
    rows = [
        {
            "incident": row.incident_id,
            "kind": row.kind,
            "dataset": row.dataset,
            "batch": row.batch,
            "since": row.opened_at.isoformat(),
            "times_seen": row.times_seen,
            "reasons": row.facts["reasons"],
            "undelivered": late.get(row.incident_id),
        }
        for row in found
    ]
    if as_json:
        print_json(rows)
        return
    for row in found:
        out.print(f"{row.incident_id}: {incidents.line(row)}", markup=False, highlight=False, soft_wrap=True)
    if not found:
        out.print("No open incidents.")
    for message in waiting:
        why = message.last_error or "not yet tried"
        out.print(
            f"not sent: {message.title} ({message.channel}: {why})", markup=False, highlight=False, soft_wrap=True
        )


def send_alerts(as_json: bool) -> None:
    """Find lost runs and missed nights, and send what is due.

    Raises:
        ToolError: after printing, if a message could not be sent.
    """
    sent, failed = _look_and_send(open_warehouse())
    if as_json:
        print_json({"sent": sent, "failed": failed})
    else:
        out.print(f"{counted(sent, 'message')} sent.")
    if failed:
        raise ToolError(f"{failed} could not be sent and will be retried. For the reason, run: sluice alerts")


def keep_sending(every: float) -> None:
    """The same again and again, until Ctrl-C. What goes wrong is logged once, and tried again."""
    warehouse, said = None, ""
    with suppress(KeyboardInterrupt):  # a message it cuts off comes again with the next deliverer
        while True:
            try:
                warehouse = warehouse or open_warehouse()
                _look_and_send(warehouse)
                said = ""
            except Exception as error:  # noqa: BLE001 - Prefect's server may be down, too; the end is not reported
                if str(error) != said:
                    logging.getLogger(incidents.LOGGER).warning("alerts cannot be sent now: %s", first_line(error))
                said = str(error)
                warehouse = None  # its password may have been changed, and its block by now, too
                forget_warehouse()
            time.sleep(every)


def _look_and_send(warehouse: Warehouse) -> tuple[int, int]:
    if read_only(warehouse) is None:
        return 0, 0  # no run has written anything yet
    from sluice.alerts import missed_nights  # imports Prefect, which a list of incidents does without

    lifecycle.look_for_lost(warehouse)
    missed_nights.find(warehouse)
    return outbox.deliver(warehouse)


def close_incident(incident: int, who: str | None = None) -> None:
    """Close an incident on a person's word.

    Raises:
        ConfigError: no such incident is open, or the user has no name.
    """
    warehouse = open_warehouse()
    with warehouse.engine.begin() as connection:
        closed = is_there(connection) and incidents.close(connection, incident, person(who), warehouse.now())
    if not closed:
        raise ConfigError(f"incident {incident} is not open. To list open incidents, run: sluice alerts")

"""`sluice status`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from sluice.alerts import incidents
from sluice.cli.output.tables import number, out, print_json, print_table
from sluice.contract.contract import Contract
from sluice.contract.formatting import counted
from sluice.contract.freshness import Age, age_of
from sluice.ledger import builds, loads
from sluice.ledger.reading import NOTHING, reading
from sluice.project.datasets import contracts
from sluice.runs import lifecycle

NEWEST = 30  # batches of a dataset that are shown unless all are asked for
NEVER = "never_loaded"  # of a dataset without a load; of others it is the status of the newest load


def status(as_json: bool, every: bool = False) -> None:
    """Datasets, their batches, verdicts and freshness; runs in progress, open incidents.

    Args:
        every: show every batch of a dataset, however many there are.
    """
    with reading() as connection:
        if connection is None:
            rows, working, found, live = _never_loaded(), [], [], None
        else:
            working = lifecycle.under_way(connection)
            rows = [row for contract in contracts().values() for row in _status_rows(connection, contract, working)]
            found = [incidents.line(row) for row in incidents.open_now(connection)]
            live = builds.live(connection)
    if as_json:
        print_json(rows)
        return
    some = rows if every else _of_interest(rows)
    print_table("Datasets", [_shown(row) for row in some], right=("read", "rejected"))
    if len(some) < len(rows):
        out.print(f"{counted(len(rows) - len(some), 'older published batch')} not shown. See them: sluice status --all")
    if live is None and all(row["verdict"] == NEVER for row in rows):
        out.print(NOTHING)
    out.print(f"Marts: {_marts(live)}")
    for run in working:
        out.print(f"Running: {run.name}, since {run.began_at:%Y-%m-%d %H:%M} UTC", markup=False, highlight=False)
    for incident in found:
        out.print(f"Open: {incident}", markup=False, highlight=False, soft_wrap=True)


def _of_interest(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest batches of each dataset, and the others that something is the matter with, in their order."""
    found = []
    for _, group in groupby(rows, key=itemgetter("dataset")):
        of_dataset = list(group)
        found += [row for row in of_dataset[:-NEWEST] if row["verdict"] != "published" or row["why"]]
        found += of_dataset[-NEWEST:]
    return found


def _never_loaded() -> list[dict[str, Any]]:
    return [_without_load(contract) for contract in contracts().values()]


def _without_load(contract: Contract) -> dict[str, Any]:
    names = ("batch", "verdict", "read", "rejected", "at", "freshness", "age_days", "age_hours", "why")
    return {"dataset": contract.dataset_id, **dict.fromkeys(names), "verdict": NEVER, "why": ""}


def _shown(row: Mapping[str, Any]) -> dict[str, str]:
    """A row of the table, in words."""
    age = "" if row["freshness"] is None else str(Age(row["freshness"], row["age_days"], row["age_hours"]))
    return {
        "dataset": row["dataset"],
        "batch": row["batch"] or "-",
        "verdict": row["verdict"].replace("_", " "),
        "read": number(row["read"]),
        "rejected": number(row["rejected"]),
        "at (UTC)": f"{row['at']:%Y-%m-%d %H:%M}" if row["at"] else "",
        "freshness": age,
        "why": row["why"],
    }


def _marts(live: sa.Row | None) -> str:
    """What readers have, and since when."""
    if live is None:
        return "not published yet"
    since = f"{live.published_at:%Y-%m-%d %H:%M} UTC"
    if live.kind == "rollback":
        return f"{live.side}, an older build, rolled back {since}, {builds.UNTIL}."
    return f"{live.side}, published {since}"


def _status_rows(connection: sa.Connection, contract: Contract, working: Sequence[sa.Row]) -> list[dict[str, Any]]:
    at_work = {run.run_id for run in working}
    found = connection.execute(loads.newest(contract.dataset_id)).all()
    readers = loads.readers_have(connection, contract.dataset_id)
    if not found:
        return [_without_load(contract)]
    # The newest batch of the cadence there is now: the dataset may have had another
    aged, age = next(((row, age) for row in reversed(found) if (age := age_of(contract, row.batch))), (None, None))
    return [
        {
            "dataset": row.dataset,
            "batch": row.batch,
            "verdict": row.status,
            "read": row.rows_read,
            "rejected": row.rows_rejected,
            "at": (row.finished_at or row.started_at).astimezone(UTC),
            "freshness": age.verdict if age and row is aged else None,
            "age_days": age.days if age and row is aged else None,
            "age_hours": age.hours if age and row is aged else None,
            "why": _why(row, readers.get(row.batch), row.run_id in at_work),
        }
        for row in found
    ]


def _why(load: sa.Row, published: sa.Row | None, at_work: bool) -> str:
    """What became of a batch's newest load, and what readers have of the batch if that is of a load before."""
    cut_off = load.status == "started" and not at_work
    said = [_cut_off(load)] if cut_off else list(load.reasons)
    if published is not None and published.load_id != load.load_id:
        when = f"{published.finished_at:%Y-%m-%d %H:%M}"
        said.append(f"readers have the {number(published.rows_accepted)} rows published at {when}")
    return "; ".join(said)


def _cut_off(load: sa.Row) -> str:
    again = "replay it again" if load.replay_of else "the next run loads it again"
    return f"its run stopped without reporting a result; {again}"

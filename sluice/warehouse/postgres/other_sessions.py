"""Sessions of others: wait for those with an old snapshot."""

from __future__ import annotations

import time

import sqlalchemy as sa

from sluice.contract.errors import ToolError
from sluice.warehouse.postgres.session import APPLICATION

# Old by what it sees (its xmin) and old by when it began: a write that runs for long gives every new snapshot an old
# xmin. Sluice's own sessions and pg_dump never read a mart with an old snapshot: they read none, or once.
OLD = sa.text(
    "SELECT pid, usename, application_name, state, xact_start FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' "
    "AND age(backend_xmin) > age(CAST(CAST(:mark AS text) AS xid)) "
    "AND xact_start < CAST(:finished AS timestamptz) "
    "AND application_name NOT LIKE :own AND application_name <> 'pg_dump' ORDER BY xact_start LIMIT 1"
)
MARK = sa.text("SELECT CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text), clock_timestamp()")
PAUSE = 0.02  # s between looks


def wait_for_old(engine: sa.Engine, seconds: float) -> None:
    """Return when no transaction is left that began before now.

    Raises:
        ToolError: one is still there after `seconds`; names it.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        xmax, finished = connection.execute(MARK).one()
        facts = {"mark": str(int(xmax) % (1 << 32)), "finished": finished, "own": f"{APPLICATION}%"}
        deadline = time.monotonic() + seconds
        while (old := connection.execute(OLD, facts).one_or_none()) is not None:
            if time.monotonic() > deadline:
                raise ToolError(
                    f"the marts were not published: a transaction open since {old.xact_start:%Y-%m-%d %H:%M:%S} UTC "
                    f"(process {old.pid}, user {old.usename}, {old.application_name or 'unnamed'}, {old.state}) would "
                    f"find the new ones empty, and did not end in {seconds:g} s. The old marts stay. End it, and run "
                    "again."
                )
            time.sleep(PAUSE)

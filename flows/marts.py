"""The marts: which side is live, and the one step that makes the candidate live. Knows nothing of dbt.

Readers read views in `marts`. Publishing takes the lock of all of them, points them to the candidate's tables and
commits; so no reader sees two sides at once, and grants, users' own views and BI connections stay valid.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import sqlalchemy as sa
from psycopg2 import sql
from psycopg2.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy.dialects.postgresql import ARRAY

from contracts.errors import ToolError
from flows import ledger
from flows.views import point_views
from flows.warehouse import DATABASE_ERRORS, MARTS, SIDES, Warehouse, execute, first_line

LOCK_WAIT = "200ms"  # the longest that a reader waits behind a publish that waits for others
PUBLISH_SECONDS = 120  # then the publish gives up, and the old marts stay
SNAPSHOT_SECONDS = 30  # how long to wait for transactions that would find the candidate empty

publications = sa.Table(
    "publications",
    ledger.metadata,
    sa.Column("publication_id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
    sa.Column("side", sa.Text(), nullable=False),
    sa.Column("models", ARRAY(sa.Text()), nullable=False),
    sa.Column("inputs", sa.Text(), nullable=False, comment="Fingerprint of the loads and the dbt project it shows."),
    sa.Column("kind", sa.Text(), nullable=False, comment="publish or rollback"),
    sa.Column("run_id", sa.Text()),
    sa.Column("published_at", ledger.Moment, nullable=False, server_default=sa.func.clock_timestamp()),
)


def live(connection: sa.Connection) -> sa.Row | None:
    """The publication that readers have now."""
    return connection.execute(
        sa.select(publications).order_by(publications.c.publication_id.desc()).limit(1)
    ).one_or_none()


def candidate(connection: sa.Connection) -> str:
    """The side that is not live: what dbt may build."""
    now = live(connection)
    return SIDES[0] if now is None or now.side == SIDES[1] else SIDES[1]


def publish_marts(
    warehouse: Warehouse, side: str, models: Sequence[str], inputs: str, run_id: str | None, kind: str = "publish"
) -> None:
    """Point every view of `marts` to `side`, in one transaction. Waits for locks a little, again and again.

    Raises:
        ToolError: readers held the marts all the time, or a view of a user's own stands against a change of
            columns; the old marts stay.
    """
    _wait_for_old_snapshots(warehouse)
    deadline = time.monotonic() + PUBLISH_SECONDS
    pause = 0.1
    while True:
        try:
            with warehouse.engine.begin() as connection:
                execute(connection, sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(LOCK_WAIT)))
                point_views(connection, MARTS, side, models)
                values = {"side": side, "models": list(models), "inputs": inputs, "kind": kind, "run_id": run_id}
                connection.execute(publications.insert().values(**values))
            return
        except (LockNotAvailable, DeadlockDetected):
            if time.monotonic() > deadline:
                raise ToolError(
                    f"the marts were not published: readers held them for {PUBLISH_SECONDS} s. The old marts stay. "
                    "See who reads them in pg_stat_activity, and run again."
                ) from None
        except DATABASE_ERRORS as error:
            raise ToolError(f"the marts were not published: {first_line(error)}. The old marts stay.") from None
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(pause * 2, 2)


def _wait_for_old_snapshots(warehouse: Warehouse) -> None:
    """Wait, within a bound, for transactions that began before the candidate was finished to end.

    In REPEATABLE READ they would find its new tables empty.
    """
    activity = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend' AND age(backend_xmin) > age(CAST(CAST(:mark AS text) AS xid))"
    )
    with warehouse.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        mark = connection.scalar(sa.text("SELECT CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text)"))
        deadline = time.monotonic() + SNAPSHOT_SECONDS
        while time.monotonic() < deadline and connection.scalar(activity, {"mark": str(int(mark) % (1 << 32))}):
            time.sleep(0.1)

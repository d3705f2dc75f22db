"""Make the candidate live in one transaction, however readers behave."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from sluice.alerts import rules
from sluice.alerts.messages import Facts
from sluice.contract.errors import ToolError
from sluice.ledger import builds
from sluice.ledger.tables import publications
from sluice.warehouse.postgres import other_sessions
from sluice.warehouse.postgres.mart_views import lock_views, point_views
from sluice.warehouse.postgres.session import DATABASE_ERRORS, IN_THE_WAY, first_line
from sluice.warehouse.warehouse import MARTS, Warehouse

# While a publish waits for one mart, a reader that has another and wants this one queues up behind it, and then neither
# gets on until the publish lets go: so most tries are short. Five readers without pause, in both orders: one of five
# succeeds. Every 16th waits as long as it may, for readers whose queries are long, and then lets them all get through.
SHORT_MS, LONG_EVERY = 5, 16
EAGER_TRIES = 128  # then the pauses double, up to the longest
PAUSE, PAUSE_AFTER_LONG, LONGEST_PAUSE = 0.01, 0.2, 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a publish tries.

    Attributes:
        lock_ms: milliseconds that one try waits for all locks together, at most: so long may readers wait behind it.
        locks: seconds of tries; then the publish gives up, and the old marts stay.
        snapshots: seconds to wait for transactions that would find the candidate empty. Costs readers nothing.
    """

    lock_ms: int = 200
    locks: float = 120
    snapshots: float = 600


@dataclass(frozen=True, slots=True)
class Publication:
    """What is to be made live: a side whose tests all passed, and the number that lets it through the fence.

    Attributes:
        warned: what to tell of dbt's tests that only warned, by their names.
    """

    side: str
    models: Sequence[str]
    inputs: str
    build_id: int
    run_id: str | None = None
    kind: str = "publish"
    warned: Mapping[str, Facts] = field(default_factory=dict)


def publish_marts(warehouse: Warehouse, publication: Publication, fence: int, patience: Patience | None = None) -> None:
    """Point every view of `marts` to the side, in one transaction. Waits for locks a little, again and again.

    Args:
        fence: number of the newest build that the caller knows of.

    Raises:
        ToolError: readers held the marts or an old snapshot all the time, a later build began, or a view of a
            user's own stands against a change of columns; the old marts stay.
    """
    patience = patience or Patience()
    other_sessions.wait_for_old(warehouse, patience.snapshots)
    with warehouse.engine.connect() as connection:
        views = sa.inspect(connection).get_view_names(MARTS)
    deadline = time.monotonic() + patience.locks
    for tried in itertools.count(1):
        lock_ms = patience.lock_ms if tried % LONG_EVERY == 0 else min(SHORT_MS, patience.lock_ms)
        try:
            with warehouse.engine.begin() as connection:
                if publication.kind == "publish":  # first, for from the next step on readers wait
                    rules.marts_published(connection, publication.models, publication.warned, warehouse.now())
                lock_views(connection, MARTS, random.sample(views, len(views)), lock_ms)
                builds.fence(connection, fence)
                point_views(connection, MARTS, publication.side, publication.models)
                _write(connection, publication)
            return
        except DATABASE_ERRORS as error:
            if not isinstance(getattr(error, "orig", error), IN_THE_WAY):
                raise ToolError(f"the marts were not published: {first_line(error)}. The old marts stay.") from None
            if time.monotonic() > deadline:
                raise ToolError(
                    f"the marts were not published: readers held them for {patience.locks:g} s. The old marts stay. "
                    "See who reads them in pg_stat_activity, and run again."
                ) from None
        pause = PAUSE_AFTER_LONG if tried % LONG_EVERY == 0 else PAUSE
        pause = min(pause * 2.0 ** min(max(0, tried - EAGER_TRIES), 10), LONGEST_PAUSE)
        time.sleep(pause * random.uniform(0.5, 1.5))


def _write(connection: sa.Connection, publication: Publication) -> None:
    values = {
        "side": publication.side,
        "models": list(publication.models),
        "inputs": publication.inputs,
        "kind": publication.kind,
        "run_id": publication.run_id,
    }
    connection.execute(publications.insert().values(**values))
    builds.mark_published(connection, publication.build_id)

"""Make the candidate live in one transaction, however readers behave."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import sqlalchemy as sa

from sluice.alerts import rules
from sluice.alerts.messages import Facts
from sluice.contract.derive.schemas import Schemas
from sluice.contract.errors import ConfigError, ToolError
from sluice.ledger import builds, write_right
from sluice.ledger.tables import publications
from sluice.warehouse.engine import Grants
from sluice.warehouse.postgres.session import DATABASE_ERRORS, IN_THE_WAY, first_line, is_lost
from sluice.warehouse.postgres.transactions import settled
from sluice.warehouse.warehouse import Warehouse

# While a publish waits, new readers queue up behind it: so most tries are short, and cost them nothing. Every 16th
# waits as long as it may, for the queries that are under way; all views have one queue, so it succeeds when the last
# of them ends.
SHORT_MS, LONG_EVERY = 5, 16
EAGER_TRIES = 128  # then the pauses double, up to the longest
MOST_BROKEN = 3  # links that may break while it is published; nothing was changed then, so it is tried again
PAUSE, PAUSE_AFTER_LONG, LONGEST_PAUSE = 0.01, 0.2, 2.0  # seconds


RESTORE = "restore"  # what is live stays so: only its views are put back


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
        kind: publish, rollback, or restore.
        warned: facts about dbt's tests that only warned, by their names.
        released: who published what `[marts] gate` would have held, and why.
    """

    side: str
    models: Sequence[str]
    inputs: str
    build_id: int
    run_id: str | None = None
    kind: str = "publish"
    warned: Mapping[str, Facts] = field(default_factory=dict)
    released: tuple[str, str] | None = None


def publish_marts(warehouse: Warehouse, publication: Publication, fence: int, patience: Patience | None = None) -> None:
    """Point every view of `marts` to the side, in one transaction. Waits for locks a little, again and again.

    Args:
        fence: number of the newest build that the caller knows of.

    Raises:
        ConfigError: readers have views in a schema that sluice.toml no longer names.
        ToolError: readers held the marts or an old snapshot all the time, a later build began, or a view of a
            user's own stands against a change of columns; the old marts stay.
    """
    patience = patience or Patience()
    warehouse.data.wait_for_readers(warehouse.engine, patience.snapshots)
    deadline = time.monotonic() + patience.locks
    broken = 0
    for tried in itertools.count(1):
        lock_ms = lock_ms_of(tried, patience)
        try:
            with settled(warehouse.engine) as connection:
                builds.fence(connection, fence)
                write_right.shut(connection, publication.side)
                grants = _write(connection, publication, warehouse)
                # Last: from then on readers wait
                warehouse.data.point_marts(connection, publication.side, publication.models, lock_ms, grants)
            with suppress(*DATABASE_ERRORS), warehouse.engine.begin() as connection:
                note_grants(warehouse, connection)
            return
        except DATABASE_ERRORS as error:
            if not isinstance(getattr(error, "orig", error), IN_THE_WAY):
                broken += 1
                raise_if_overtaken(warehouse, fence)
                if broken > MOST_BROKEN or not is_lost(error):
                    raise ToolError(f"the marts were not published: {first_line(error)}. The old marts stay.") from None
            if time.monotonic() > deadline:
                raise ToolError(
                    f"the marts were not published: readers' transactions locked them for "
                    f"{patience.locks:g} s. The old marts stay. Find the readers in pg_stat_activity, and run again."
                ) from None
        time.sleep(pause_after(tried) * random.uniform(0.5, 1.5))


def lock_ms_of(tried: int, patience: Patience) -> int:
    """How long the try of this number, from 1, waits for the locks, in milliseconds."""
    return patience.lock_ms if tried % LONG_EVERY == 0 else min(SHORT_MS, patience.lock_ms)


def pause_after(tried: int) -> float:
    """Seconds from the try of this number to the next, on average."""
    pause = PAUSE_AFTER_LONG if tried % LONG_EVERY == 0 else PAUSE
    return min(pause * 2.0 ** min(max(0, tried - EAGER_TRIES), 10), LONGEST_PAUSE)


def note_grants(warehouse: Warehouse, connection: sa.Connection) -> None:
    """Keep what others may do with the views that readers have, for the case that somebody drops one.

    Of views that were made just now that is known only afterwards, by default privileges.
    """
    now = builds.live(connection)
    if now is not None and (grants := warehouse.data.mart_grants(connection, {})) != now.grants:
        builds.note_grants(connection, now.publication_id, grants)


def raise_if_overtaken(warehouse: Warehouse, fence: int) -> None:
    """Raise Overtaken if a build is newer than the newest one that this run knows of. A database error raises nothing.

    Args:
        fence: number of the newest build that the caller knows of.

    Raises:
        Overtaken: a later run has begun a build.
    """
    with suppress(*DATABASE_ERRORS), warehouse.engine.begin() as connection:
        builds.fence(connection, fence)


def _refuse_left_behind(connection: sa.Connection, schemas: Schemas, shown: Sequence[str]) -> None:
    """Raise where readers have views in a schema that is not published any more: they would stay as they are."""
    found = sa.inspect(connection)
    left = {schema for schema, dot, _ in (mart.partition(".") for mart in shown) if dot} - {*schemas.published}
    for schema in sorted(left):
        if found.has_schema(schemas.behind(schema)) and found.get_view_names(schema):
            raise ConfigError(
                f"the marts were not published: readers have views in the schema {schema}, which [marts] schemas in "
                f"sluice.toml no longer names, so they would show the old marts for ever. Name it there again; or, if "
                f'nobody reads it any more: DROP SCHEMA "{schema}", "{schemas.behind(schema)}" CASCADE'
            )


def _write(connection: sa.Connection, publication: Publication, warehouse: Warehouse) -> Grants:
    """Write the publication, unless the old one stays. Returns what others may do with its views."""
    now = builds.live(connection)
    before: Grants = (now.grants if now is not None else None) or {}
    if publication.kind == "rollback":  # of a mart that was gone in between
        shown = builds.last_shown(connection, publication.side)
        before = {**((shown.grants if shown is not None else None) or {}), **before}
    grants = warehouse.data.mart_grants(connection, before)
    if publication.kind == RESTORE:
        return grants
    for mart, pairs in warehouse.data.hand_on(connection, publication.side, publication.models).items():
        grants = {**grants, mart: [*(pair for pair in grants.get(mart, ()) if pair not in pairs), *pairs]}
    _refuse_left_behind(connection, warehouse.schemas, now.models if now is not None else ())
    if publication.kind == "publish":
        rules.marts_published(connection, publication.models, publication.warned, warehouse.now())
    who, why = publication.released or (None, None)
    values = {
        "side": publication.side,
        "models": list(publication.models),
        "inputs": publication.inputs,
        "kind": publication.kind,
        "run_id": publication.run_id,
        "grants": grants,
        "released_by": who,
        "released_why": why,
    }
    connection.execute(publications.insert().values(**values))
    builds.mark_published(connection, publication.build_id)
    return grants

"""`sluice rollback`: the publish of the marts, backwards. Gives readers the side they had before; builds nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from sluice.contract.errors import ConfigError
from sluice.ledger import builds, tables
from sluice.ledger.reading import is_there
from sluice.marts import publish
from sluice.marts.incremental.copies import starts_from_a_copy
from sluice.marts.unchanged import built_nodes
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What readers have again.

    Attributes:
        built_at: when what they have again was built (UTC).
        without: batches they had until now, and have no more.
        again: batches that are back, or back as an earlier load.
        incremental: models that continue from what readers have again.
    """

    side: str
    models: tuple[str, ...]
    built_at: datetime
    other_project: bool
    without: tuple[str, ...]
    again: tuple[str, ...]
    incremental: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"Rolled back: readers have {self.side} again, as built {self.built_at:%Y-%m-%d %H:%M} UTC."]
        lines += [f"  marts: {', '.join(self.models)}"]
        lines += [f"  removed batches: {', '.join(self.without)}"] if self.without else []
        lines += [f"  restored batches: {', '.join(self.again)}"] if self.again else []
        lines += ["  the dbt project differs from the one that built them"] if self.other_project else []
        if self.incremental:
            lines += [
                f"  incremental models continue from these rows: {', '.join(self.incremental)}. What they had taken in "
                "since is taken in again only if they ask for it; otherwise build them whole, with full_refresh: true"
            ]
        lines += [f"`staging` keeps every published batch. Readers keep these marts {builds.UNTIL}."]
        return "\n".join(lines)


def rollback(warehouse: Warehouse, patience: publish.Patience | None = None) -> RolledBack:
    """Make the side that was live before the last publish live again, in one transaction.

    Raises:
        ConfigError: there is nothing to go back to, or sluice.toml no longer names a schema of it.
        BusyError: a build is writing to that side.
        ToolError: as `marts.publish_marts`.
    """
    with warehouse.lock("dbt"):
        with transaction(warehouse.engine, "the ledger cannot be read") as connection:
            now, fence, left, back = _step_back(connection)
            models = _models(connection, back.side)
            _refuse_unnamed(warehouse, connection, back, models)
            made_of = builds.fingerprint(back.loads, back.project)
            result = RolledBack(
                side=back.side,
                models=models,
                built_at=back.finished_at,
                other_project=back.project != left.project,
                without=_batches(connection, set(left.loads) - set(back.loads)),
                again=_batches(connection, set(back.loads) - set(left.loads)),
                incremental=_incremental(back.manifest),
            )
        with transaction(warehouse.engine, "the records of the side cannot be changed") as connection:
            built_nodes.forget(connection, now.side)  # there was a reason to take it out: all of it is tested again
        what = publish.Publication(back.side, models, made_of, back.build_id, now.run_id, "rollback")
        publish.publish_marts(warehouse, what, fence, patience)
        return result


def in_effect(warehouse: Warehouse) -> tuple[str, ...]:
    """A warning, where readers have what a rollback gave them."""
    with transaction(warehouse.engine, "the ledger cannot be read") as connection:
        now = builds.live(connection)
    if now is None or now.kind != "rollback":
        return ()
    since = f"{now.published_at:%Y-%m-%d %H:%M} UTC"
    return (f"readers have an older build of the marts, rolled back {since}, {builds.UNTIL}",)


def _step_back(connection: sa.Connection) -> tuple[sa.Row, int, sa.Row, sa.Row]:
    """The live publication, the newest build's number, the live build, and the build to go back to."""
    used = is_there(connection)
    now, newest = (builds.live(connection), builds.newest(connection)) if used else (None, None)
    if now is None or newest is None:
        raise ConfigError(
            "there is nothing to roll back: no marts have been published yet. "
            "Publish some: sluice run, or sluice marts build and then sluice marts publish"
        )
    if now.kind == "rollback":
        raise ConfigError(
            f"the marts were rolled back already, {now.published_at:%Y-%m-%d %H:%M} UTC, and no older ones are kept. "
            "Rebuild them: sluice run, or sluice marts build"
        )
    left = builds.newest_touching(connection, now.side)
    back = builds.newest_touching(connection, builds.other(connection, now.side))
    if left is None or back is None:
        raise ConfigError("there is nothing to roll back to: the marts were published only once")
    if back.status != "published":
        raise ConfigError(
            f"there is nothing to roll back to: build {back.build_id} ({back.status}) has changed {back.side} "
            "since it was live, so its previous content is gone. Readers keep the current marts."
        )
    return now, int(newest.build_id), left, back


def _models(connection: sa.Connection, side: str) -> tuple[str, ...]:
    """The marts that the side's last publication showed."""
    shown = builds.last_shown(connection, side)
    return tuple(shown.models or ()) if shown is not None else ()


def _incremental(manifest: bytes | None) -> tuple[str, ...]:
    nodes = json.loads(gzip.decompress(manifest))["nodes"].values() if manifest else ()
    return tuple(sorted(node["name"] for node in nodes if starts_from_a_copy(node)))


def _refuse_unnamed(warehouse: Warehouse, connection: sa.Connection, back: sa.Row, models: Sequence[str]) -> None:
    missing = warehouse.data.missing_marts(connection, back.side, models)
    gone = next((each for each in missing if "." in each and warehouse.schemas.relation(each)[1] == each), None)
    if gone is not None:
        raise ConfigError(
            f"cannot roll back: build {back.build_id} made {gone}, and [marts] schemas in sluice.toml no longer names "
            f"the schema {gone.partition('.')[0]}. Name it there again, and roll back; or keep the marts "
            "that readers have"
        )


def _batches(connection: sa.Connection, loads: set[int]) -> tuple[str, ...]:
    batches = tables.batches
    query = sa.select(batches.c.dataset, batches.c.batch).where(batches.c.load_id.in_(loads)).distinct()
    return tuple(sorted(f"{dataset} {batch}" for dataset, batch in connection.execute(query).tuples()))

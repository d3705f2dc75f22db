"""Builds of the two sides and publications of the marts: what is live, who may publish."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from sluice.contract.errors import Overtaken
from sluice.ledger.tables import WHOLE, builds, dbt_results, publications
from sluice.warehouse.batch import schemas_of
from sluice.warehouse.postgres import locks
from sluice.warehouse.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class BuildBase:
    """What a side may have been built by: a project, and dbt's manifest of it unless the build was cut off."""

    project: str
    manifest: bytes | None


# How long readers keep what a rollback gave them
UNTIL = (
    "until a run after a batch was published or withdrawn, or the dbt project changed; sooner: sluice marts build, and "
    "then sluice marts publish"
)
ALL = "marts"  # the lock of who begins a build or publishes


def hold(connection: sa.Connection) -> None:
    """Keep builds from beginning and marts from being published by others until the transaction ends."""
    locks.until_commit(connection, ALL)


def take_over(connection: sa.Connection) -> None:
    """The same, and end a publish that is under way: for who holds the lock on dbt, so that it is an overtaken one's.

    Raises:
        ToolError: as `locks.take_over`.
    """
    locks.take_over(connection, locks.name_of(connection, ALL))


def begin(connection: sa.Connection, side: str, project: str, loads: Sequence[int], run_id: str | None) -> int:
    """Write the build's row and give its number. The caller has taken over, and holds the lock on dbt."""
    values = {"side": side, "status": "started", "project": project, "loads": list(loads), "run_id": run_id}
    return int(connection.scalar(builds.insert().values(**values).returning(builds.c.build_id)) or 0)


def finish(
    connection: sa.Connection,
    build_id: int,
    status: str,
    manifest: bytes | None = None,
    invocation_id: str | None = None,
    refreshed: Sequence[str] = (),
) -> None:
    """Write the build's end. A side that is whole again needs no older manifest."""
    values = {
        "status": status,
        "manifest": None if manifest is None else gzip.compress(manifest, 6),
        "invocation_id": invocation_id,
        "refreshed": list(refreshed),
        "finished_at": sa.func.clock_timestamp(),
    }
    side = sa.select(builds.c.side).where(builds.c.build_id == build_id).scalar_subquery()
    connection.execute(builds.update().where(builds.c.build_id == build_id).values(**values))
    if status in WHOLE:
        older = (builds.c.side == side) & (builds.c.build_id < build_id) & builds.c.manifest.is_not(None)
        connection.execute(builds.update().where(older).values(manifest=None))


def bases(connection: sa.Connection, side: str, before: int) -> tuple[BuildBase, ...]:
    """All that the side's tables may have been made by: its last whole build, and every try since.

    Empty when the side was never built whole.
    """
    of_side = (builds.c.side == side) & (builds.c.build_id < before)
    last = connection.scalar(sa.select(sa.func.max(builds.c.build_id)).where(of_side, builds.c.status.in_(WHOLE)))
    if last is None:
        return ()
    query = (
        sa.select(builds.c.project, builds.c.manifest)
        .where(of_side, builds.c.build_id >= last, builds.c.status != "not run")
        .order_by(builds.c.build_id)
    )
    return bases_of(connection.execute(query).tuples())


def bases_of(tries: Iterable[tuple[str, bytes | None]]) -> tuple[BuildBase, ...]:
    """Each project once, with the first manifest that one of its builds left.

    Args:
        tries: of each build its project, and its manifest as it is kept.
    """
    found: dict[str, bytes | None] = {}
    for project, manifest in tries:
        found[project] = found.get(project) or manifest
    return tuple(BuildBase(name, gzip.decompress(kept) if kept else None) for name, kept in found.items())


def since_published(connection: sa.Connection, side: str, before: int) -> Mapping[str, frozenset[str]]:
    """What dbt did on the side in its builds since one was last published: each node's id, with its statuses.

    Nothing where one of them was cut off, so that nobody knows what it left.
    """
    last = sa.select(sa.func.max(builds.c.build_id)).where(builds.c.status == "published").scalar_subquery()
    since = (builds.c.build_id > sa.func.coalesce(last, 0)) & (builds.c.build_id < before)
    query = sa.select(builds.c.invocation_id).where(since, builds.c.side == side, builds.c.status != "not run")
    commands = connection.scalars(query).all()
    if None in commands:
        return {}
    of_commands = sa.select(dbt_results.c.unique_id, sa.func.array_agg(dbt_results.c.status.distinct()))
    of_commands = of_commands.where(dbt_results.c.invocation_id.in_(commands)).group_by(dbt_results.c.unique_id)
    return {name: frozenset(statuses) for name, statuses in connection.execute(of_commands).tuples()}


def newest(connection: sa.Connection, side: str | None = None) -> sa.Row | None:
    """The last build that began, of one side or of both."""
    query = sa.select(builds).order_by(builds.c.build_id.desc()).limit(1)
    return connection.execute(query if side is None else query.where(builds.c.side == side)).one_or_none()


def newest_number(warehouse: Warehouse) -> int:
    """The number of the newest build; 0 before the first one."""
    with warehouse.engine.begin() as connection:
        last = newest(connection)
    return int(last.build_id) if last else 0


def newest_touching(connection: sa.Connection, side: str) -> sa.Row | None:
    """The last build of the side that may have changed its tables."""
    query = (
        sa.select(builds)
        .where(builds.c.side == side, builds.c.status != "not run")
        .order_by(builds.c.build_id.desc())
        .limit(1)
    )
    return connection.execute(query).one_or_none()


def fence(connection: sa.Connection, known: int) -> None:
    """Let through only who knows of the newest build; then none can begin until the transaction ends.

    Raises:
        Overtaken: a later run has begun a build, so this one must publish nothing.
    """
    hold(connection)
    last = newest(connection)
    if last is not None and last.build_id != known:
        raise Overtaken(
            f"the marts were not published: build {last.build_id} ({last.side}, {last.status}) began after build "
            f"{known}: a later run took over. The old marts stay."
        )


def mark_published(connection: sa.Connection, build_id: int) -> None:
    """Note that readers got this build."""
    connection.execute(builds.update().where(builds.c.build_id == build_id).values(status="published"))


def fingerprint(loads: Sequence[int], project: str) -> str:
    """Fingerprint of both together."""
    return sha256(f"{','.join(map(str, loads))} {project}".encode()).hexdigest()


def live(connection: sa.Connection) -> sa.Row | None:
    """The publication that readers have now."""
    return connection.execute(
        sa.select(publications).order_by(publications.c.publication_id.desc()).limit(1)
    ).one_or_none()


def taken_out(connection: sa.Connection, now: sa.Row) -> str | None:
    """Fingerprint of the loads and the project that a rollback took out, if readers have what one gave them."""
    if now.kind != "rollback":
        return None
    before = sa.select(publications.c.inputs).where(publications.c.publication_id < now.publication_id)
    return connection.scalar(before.order_by(publications.c.publication_id.desc()).limit(1))


def last_shown(connection: sa.Connection, side: str) -> sa.Row | None:
    """The newest publication of this side, which readers need not have now."""
    newest = sa.select(publications).where(publications.c.side == side).order_by(publications.c.publication_id.desc())
    return connection.execute(newest.limit(1)).one_or_none()


def live_side(warehouse: Warehouse) -> str | None:
    """The side readers read, if the marts were ever published."""
    with warehouse.engine.begin() as connection:
        now = live(connection)
    return str(now.side) if now else None


def note_grants(connection: sa.Connection, publication_id: int, grants: Mapping[str, Any]) -> None:
    """Keep what others may do with the views that readers have."""
    row = publications.c.publication_id == publication_id
    connection.execute(publications.update().where(row).values(grants=grants))


def other(connection: sa.Connection, side: str) -> str:
    """The side that this one is not."""
    first, second = schemas_of(connection).sides
    return second if side == first else first


def candidate(connection: sa.Connection) -> str:
    """The side that is not live: what dbt may build."""
    now = live(connection)
    return schemas_of(connection).sides[0] if now is None else other(connection, now.side)

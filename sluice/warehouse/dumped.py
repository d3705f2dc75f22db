"""What a backup holds beside Sluice's schemas, and what its views read that it does not hold."""

from __future__ import annotations

import gzip
import json
from contextlib import AbstractContextManager

import sqlalchemy as sa

from sluice.contract.derive.schemas import Schemas
from sluice.warehouse.postgres.transactions import transaction

READ = sa.text(
    "SELECT DISTINCT rn.nspname || '.' || r.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "JOIN pg_rewrite w ON w.ev_class = c.oid JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass "
    "AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass JOIN pg_class r ON r.oid = d.refobjid "
    "JOIN pg_namespace rn ON rn.oid = r.relnamespace WHERE n.nspname = ANY(:held) AND rn.nspname <> ALL(:held) "
    "AND rn.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
)


def schemas_at(url: sa.URL, schemas: Schemas) -> tuple[str, ...]:
    """Sluice's schemas, and those of the snapshots of the dbt project that was built last.

    Raises:
        ToolError: the server does not answer.
    """
    with _asking(url) as connection:
        snapshots = _snapshots(connection, schemas.ops) & {*sa.inspect(connection).get_schema_names()}
    return (*schemas.all, *sorted(snapshots - {*schemas.all}))


def server_major(url: sa.URL) -> int:
    """The major version of the server.

    Raises:
        ToolError: it does not answer.
    """
    with _asking(url) as connection:
        return int((connection.dialect.server_version_info or (0,))[0])


def read_outside(url: sa.URL, schemas: Schemas) -> list[str]:
    """The relations, with their schemas, that views of a backup read and that are not in it.

    Raises:
        ToolError: the server does not answer.
    """
    held = list(schemas_at(url, schemas))
    with _asking(url) as connection:
        return list(connection.scalars(READ, {"held": held}))


def _asking(url: sa.URL) -> AbstractContextManager[sa.Connection]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    return transaction(engine, "what is in the warehouse cannot be looked up", "No backup was made.")


def _snapshots(connection: sa.Connection, ops: str) -> set[str]:
    if not sa.inspect(connection).has_table("builds", schema=ops):
        return set()
    builds = sa.table("builds", sa.column("manifest"), sa.column("build_id"), schema=ops)
    newest = sa.select(builds.c.manifest).where(builds.c.manifest.is_not(None)).order_by(builds.c.build_id.desc())
    kept = connection.scalar(newest.limit(1))
    nodes = json.loads(gzip.decompress(kept))["nodes"].values() if kept else ()
    return {node["schema"] for node in nodes if node["resource_type"] == "snapshot"}

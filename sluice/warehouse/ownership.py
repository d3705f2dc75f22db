"""Whose the schemas are: made and marked for a project, adopted, or refused before anything is written.

The mark is a comment on the schema, which a dump keeps and a person can read and set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import sqlalchemy as sa

from sluice.contract.derive.schemas import DEFAULT, Schemas
from sluice.contract.errors import ConfigError
from sluice.warehouse.embedded.users import ROLES
from sluice.warehouse.postgres import locks, roles

MARK = re.compile(r"Made by Sluice for project ([a-z0-9][a-z0-9_-]*)(, adopted)?")
FIND = sa.text("""
    SELECT n.nspname AS name, coalesce(obj_description(n.oid, 'pg_namespace'), '') AS mark,
        pg_get_userbyid(n.nspowner) AS owner, pg_has_role(n.nspowner, 'USAGE') AS ours,
        array(
            SELECT CAST(c.relname AS text) FROM pg_class c
            WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
            UNION SELECT CAST(p.proname AS text) FROM pg_proc p WHERE p.pronamespace = n.oid
            ORDER BY 1 LIMIT 3
        ) AS objects
    FROM pg_namespace n WHERE n.nspname = any(:names)
""")
# A ledger, wherever it comes from, has these.
LEDGER = sa.text("""
    SELECT count(*) = 5 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :ops AND c.relname = 'batches'
        AND a.attname IN ('load_id', 'dataset', 'batch', 'sha256', 'contract_version')
""")


def claim(connection: sa.Connection, schemas: Schemas, project: str) -> str:
    """Make and mark the schemas that are missing, adopt those of a warehouse from before there were marks.

    Returns:
        What the names of the warehouse's locks begin with.

    Raises:
        ConfigError: a schema has the mark of another project, or holds objects that Sluice did not make; nothing was
            written.
    """
    found = _find(connection, schemas)
    prefix = _prefix(connection, schemas, project, found)
    if all(name in found and MARK.match(found[name].mark) for name in schemas.all):
        return prefix
    locks.until_commit(connection, "schemas")  # two first runs would both find them missing
    found = _find(connection, schemas)
    prefix = _prefix(connection, schemas, project, found)
    former = prefix == locks.UNNAMED
    foreign = next((row for row in found.values() if not row.ours and not MARK.match(row.mark)), None)
    if foreign is not None and former:
        return prefix  # who does not own them cannot mark them: it stays as it was
    if foreign is not None:
        user = connection.scalar(sa.text("SELECT current_user"))
        raise ConfigError(
            f"schema {foreign.name!r} belongs to the role {foreign.owner!r}, so it cannot be marked as Sluice's. "
            f'Give it to the block\'s user: ALTER SCHEMA "{foreign.name}" OWNER TO "{user}"'
        )
    for name in schemas.all:
        if name not in found:
            connection.execute(sa.schema.CreateSchema(name))
        if name not in found or not MARK.match(found[name].mark):
            quoted = connection.dialect.identifier_preparer.quote_schema(name)
            mark = sa.literal(_mark(project, former)).compile(connection, compile_kwargs={"literal_binds": True})
            connection.execute(sa.DDL("COMMENT ON SCHEMA %(name)s IS %(mark)s", context={"name": quoted, "mark": mark}))
    return prefix


def check(connection: sa.Connection, schemas: Schemas, project: str) -> str:
    """As `claim`, for one who changes nothing: schemas that are missing stay so."""
    return _prefix(connection, schemas, project, _find(connection, schemas))


def settle_sides(connection: sa.Connection, schemas: Schemas, dbt: sa.Engine | None, embedded: bool) -> None:
    """Let dbt's user own the sides; of the embedded warehouse, which a run makes without a command before it.

    Args:
        dbt: sessions of dbt's user; None where that is the user of runs.

    Raises:
        ConfigError: they are somebody else's on another server, where `sluice setup --roles` does it.
    """
    owners = roles.owners_of(connection, schemas.of_sides)
    if dbt is None:
        if not embedded and owners - roles.owners_of(connection, [schemas.staging]):
            raise ConfigError(
                f"the sides of the marts belong to {', '.join(sorted(owners))}, as which dbt is to build them. Name "
                "the block of that user in SLUICE_TRANSFORMER, and the loader's in SLUICE_WAREHOUSE (docs/setup.md)"
            )
        return
    if owners == {dbt.url.username}:
        return
    if embedded:
        roles.Separation(connection, schemas, ROLES).contents()
        return
    raise ConfigError(
        f"SLUICE_TRANSFORMER names the user {dbt.url.username!r}, and {' and '.join(schemas.sides)} belong to "
        f"{', '.join(sorted(owners))}. See what would change, and change it: sluice setup --roles --dry-run; "
        "sluice setup --roles"
    )


def _mark(project: str, former: bool) -> str:
    return f"Made by Sluice for project {project}{', adopted' if former else ''}"


def _find(connection: sa.Connection, schemas: Schemas) -> Mapping[str, sa.Row]:
    return {row.name: row for row in connection.execute(FIND, {"names": list(schemas.all)})}


def _prefix(connection: sa.Connection, schemas: Schemas, project: str, found: Mapping[str, sa.Row]) -> str:
    """What locks' names begin with; raises where a schema is not this project's."""
    of_ops = MARK.match(found[schemas.ops].mark) if schemas.ops in found else None
    former = _is_former(connection, schemas, found)
    foreign: list[sa.Row] = []
    for name, row in found.items():
        mark = MARK.match(row.mark)
        if mark is not None and mark[1] != project:
            raise ConfigError(_of_another(connection, schemas, project, name, mark[1]))
        if mark is None and row.objects and not (former and name in DEFAULT.all):
            foreign.append(row)
    if foreign:
        raise ConfigError("\n  ".join(_of_others(connection, schemas, project, row) for row in foreign))
    return locks.UNNAMED if former or (of_ops and of_ops[2]) else f"{locks.UNNAMED}:{project}"


def _is_former(connection: sa.Connection, schemas: Schemas, found: Mapping[str, sa.Row]) -> bool:
    """Whether a version before marks made the warehouse, and none has marked it since."""
    if schemas.ops != DEFAULT.ops or schemas.ops not in found or MARK.match(found[schemas.ops].mark):
        return False
    return bool(connection.scalar(LEDGER, {"ops": schemas.ops}))


def _of_another(connection: sa.Connection, schemas: Schemas, project: str, name: str, other: str) -> str:
    return (
        f"schema {name!r} of database {connection.engine.url.database!r} belongs to the Sluice project {other!r}; this "
        f"is {project!r}. Nothing was written. {_rename(schemas, project, name)} If this is the same project, set "
        f'id = "{other}" under [project] there'
    )


def _of_others(connection: sa.Connection, schemas: Schemas, project: str, row: sa.Row) -> str:
    return (
        f"schema {row.name!r} of database {connection.engine.url.database!r} holds objects that Sluice did not make "
        f"({', '.join(row.objects)}). Nothing was written. {_rename(schemas, project, row.name)} If Sluice made them "
        f'for this project, and its comment was lost: COMMENT ON SCHEMA "{row.name}" IS '
        f"'{_mark(project, former=False)}'"
    )


def _rename(schemas: Schemas, project: str, name: str) -> str:
    keys = {actual: default for default, actual in schemas.translation.items()}
    known = schemas.known_as(name)
    if known != schemas.marts and known in schemas.built:
        return f'Give it another name: ALTER SCHEMA "{name}" RENAME TO "{name[:50]}_before". Or name others in [marts].'
    key = keys.get(name, "marts")
    free = re.sub(r"\W", "_", project) + f"_{key}"
    other = f'Name another one in sluice.toml: {key} = "{free[:60]}" under [schemas].'
    return f'{other} Or rename it: ALTER SCHEMA "{name}" RENAME TO "{name[:50]}_before".' if key == "marts" else other

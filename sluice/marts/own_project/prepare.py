"""What comes before the build of a dbt project with its own schemas: packages, refusals, snapshots."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sluice.contract.errors import ConfigError
from sluice.contract.formatting import counted
from sluice.ledger import builds
from sluice.marts.dbt import run as dbt_run
from sluice.marts.dbt.runner import Progress
from sluice.marts.own_project import built, packages
from sluice.marts.own_project.refusals import DbtProject
from sluice.project import paths
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse

UNREADABLE = sa.text(
    "SELECT s.schema FROM unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) AS s (schema, name) "
    "JOIN pg_namespace n ON n.nspname = s.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.name "
    "WHERE NOT has_schema_privilege(n.oid, 'USAGE') OR NOT has_any_column_privilege(c.oid, 'SELECT')"
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a build of the project needs to know.

    Attributes:
        snapshots: the schemas that they are in.
        manifest: what dbt has read, if it has.
    """

    snapshots: tuple[str, ...] = ()
    manifest: Mapping[str, Any] | None = None

    @property
    def args(self) -> list[str]:
        """Arguments of `dbt build`: snapshots were taken before."""
        return ["--exclude-resource-type", "snapshot"] if self.snapshots else []


def prepare(warehouse: Warehouse) -> Prepared:
    """Install packages and refuse what cannot be published. Nothing, where Sluice's macro names the schema.

    Raises:
        ConfigError: the project cannot be published as it is; says why.
        ToolError: dbt cannot install its packages, or read it.
    """
    if paths.project().settings.marts.schemas is None:
        return Prepared()
    with warehouse.engine.begin() as connection:
        side = builds.candidate(connection)
    place = dbt_run.on_side(warehouse, side)
    packages.install(place)
    manifest = dbt_run.run_dbt(["parse"], place).artifact("manifest")
    _refuse("Nothing was built", [*_project(warehouse, side, manifest).refusals(), *_unreadable(warehouse, manifest)])
    nodes = manifest["nodes"].values()
    snapshots = sorted({node["schema"] for node in nodes if node["resource_type"] == "snapshot"})
    return Prepared(tuple(snapshots), manifest)


def refuse_built(warehouse: Warehouse, side: str, manifest: Mapping[str, Any], models: Collection[str]) -> None:
    """Refuse a side of which a node has read what readers have, or the other side: only its compiled SQL shows that.

    And one whose marts would show what no test has seen, or rows that not every reader may see.

    Args:
        manifest: of the build.
        models: the marts.

    Raises:
        ConfigError: names each such node. The side is not to be published.
    """
    own = paths.project().settings.marts.schemas is not None
    compiled = _project(warehouse, side, manifest).compiled() if own else ()
    _refuse("Readers keep what they have", [*compiled, *built.refusals(warehouse, side, models, shared=own)])


def _project(warehouse: Warehouse, side: str, manifest: Mapping[str, Any]) -> DbtProject:
    suffix = side.removeprefix(warehouse.schemas.marts)
    return DbtProject(manifest, warehouse.schemas, suffix, str(warehouse.url.database))


def _refuse(then: str, found: Iterable[str]) -> None:
    if reasons := list(dict.fromkeys(found)):
        raise ConfigError("\n  ".join([f"this dbt project cannot be published as it is. {then}:", *reasons]))


def _unreadable(warehouse: Warehouse, manifest: Mapping[str, Any]) -> Iterator[str]:
    """The sources that dbt's user may not read, with what lets it; of those that are there and that a node reads."""
    read = {name for node in manifest["nodes"].values() for name in node["depends_on"].get("nodes", ())}
    found = [(each["schema"], each["identifier"]) for name, each in manifest["sources"].items() if name in read]
    values = {"schemas": [schema for schema, _ in found], "names": [name for _, name in found]}
    with transaction(warehouse.dbt, "cannot find out which sources dbt's user may read") as connection:
        quote = connection.dialect.identifier_preparer.quote
        user = connection.scalar(sa.text("SELECT CAST(current_user AS text)"))
        closed = [row.schema for row in connection.execute(UNREADABLE, values)]
    for schema in sorted({*closed}):
        to = f"{quote(schema)} TO {quote(user)}"
        yield (
            f"{counted(closed.count(schema), 'source')} in the schema {schema} cannot be read by dbt's user, which is "
            f"{user}. As its owner: GRANT USAGE ON SCHEMA {to}; GRANT SELECT ON ALL TABLES IN SCHEMA {to}"
        )


def _make_schemas(warehouse: Warehouse, names: Sequence[str]) -> None:
    """Make what the snapshots lack, for dbt's user, who may make no schema where that is another one."""
    with transaction(warehouse.engine, "the schemas of the snapshots could not be made") as connection:
        quote = connection.dialect.identifier_preparer.quote
        for name in names:
            if not sa.inspect(connection).has_schema(name):
                words = {"name": quote(name), "user": quote(str(warehouse.dbt.url.username))}
                connection.execute(sa.DDL("CREATE SCHEMA %(name)s AUTHORIZATION %(user)s", context=words))


def take_snapshots(
    warehouse: Warehouse, prepared: Prepared, side: str, build_id: int, everything: bool, progress: Progress | None
) -> None:
    """Build what the snapshots read, on the side, and take them: once, into the one table that each has.

    Raises:
        DataError, ToolError: a test of what they read failed, or dbt did. The snapshots below it were not taken.
    """
    if prepared.snapshots:
        if warehouse.transformer is not None:
            _make_schemas(warehouse, prepared.snapshots)
        args = ["build", "--select", "+resource_type:snapshot", "--indirect-selection", "cautious"]
        place = dbt_run.on_side(warehouse, side, build_id)
        dbt_run.run_dbt([*args, *(["--full-refresh"] if everything else [])], place, progress, whole=False)

"""What comes before the build of a dbt project with its own schemas: packages, refusals, snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from sluice.contract.errors import ConfigError
from sluice.ledger import builds
from sluice.marts.dbt import run as dbt_run
from sluice.marts.dbt.runner import Progress
from sluice.marts.own_project import packages
from sluice.marts.own_project.refusals import Project
from sluice.project import paths
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a build of the project needs to know.

    Attributes:
        snapshots: the schemas that they are in.
    """

    snapshots: tuple[str, ...] = ()

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
    suffix = side.removeprefix(warehouse.schemas.marts)
    project = Project(manifest, warehouse.schemas, suffix, str(warehouse.url.database))
    if reasons := list(dict.fromkeys(project.refusals())):
        raise ConfigError("\n  ".join(["this dbt project cannot be published as it is. Nothing was built:", *reasons]))
    nodes = manifest["nodes"].values()
    return Prepared(tuple(sorted({node["schema"] for node in nodes if node["resource_type"] == "snapshot"})))


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

"""Transform: dbt builds the candidate side, and only when all its tests pass are the marts published.

The shell around dbt (dbt/run.py) and the publish (publish.py): chooses the side, keeps every node's result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from sluice.alerts import rules
from sluice.contract.errors import ConfigError, SluiceError
from sluice.ledger import builds, tables
from sluice.ledger.loads import published_loads
from sluice.marts import compare, failed_tests, full_refresh
from sluice.marts import publish as marts
from sluice.marts.compare import Compared
from sluice.marts.dbt import run as dbt_run
from sluice.marts.dbt.results import DbtRun
from sluice.marts.dbt.verdict import DbtDidNotRun, DbtNodesBroke, DbtTestsFailed
from sluice.marts.full_refresh import Refresh
from sluice.project import fingerprints
from sluice.warehouse.postgres import batch_tables, other_sessions
from sluice.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from sluice.marts.dbt.nodes import Progress


@dataclass(frozen=True, slots=True)
class Built:
    """A candidate side whose tests all passed.

    Attributes:
        build_id: the number that lets it through the fence.
        compared: what is other than in the marts that readers have.
    """

    side: str
    inputs: str
    models: tuple[str, ...]
    run: DbtRun
    build_id: int
    compared: tuple[Compared, ...] = ()


def due(warehouse: Warehouse) -> bool:
    """Whether the marts lack a load, or were built by another dbt project than this.

    Before anything was ever published there is nothing to transform.
    """
    with warehouse.engine.begin() as connection:
        now = builds.live(connection)
        if now is None and not connection.scalar(sa.select(sa.exists().where(tables.batches.c.status == "published"))):
            return False
        return now is None or now.inputs != builds.fingerprint(published_loads(connection), fingerprints.project())


def build(warehouse: Warehouse, run_id: str | None, progress: Progress | None = None) -> Built:
    """Build and test the candidate side with dbt; readers see nothing of it. The caller holds the lock on dbt.

    Raises:
        DataError: tests of severity error found rows; the candidate stays for inspection, readers keep the old marts.
        ToolError: dbt or one of its nodes broke.
        ConfigError: the project has no model in models/marts/ any more.
    """
    project = fingerprints.project()
    with warehouse.engine.begin() as connection:
        builds.hold(connection)
        side, loads = builds.candidate(connection), published_loads(connection)
        build_id = builds.begin(connection, side, project, loads, run_id)
        other_sessions.end_strays(connection, side)
        bases = builds.bases(connection, side, build_id)
    refreshed = full_refresh.changed(warehouse, side, project, bases)
    end = partial(_end, warehouse, build_id, side, refreshed, run_id)
    try:
        full_refresh.drop(warehouse, side, refreshed.models)
        batch_tables.analyze_new(warehouse)
        run = _run(warehouse, side, refreshed, progress)
        manifest = run.artifact("manifest")
        models = _mart_models(warehouse, manifest)
    except DbtDidNotRun as error:
        end("not run", None, error)
        raise
    except (DbtTestsFailed, DbtNodesBroke) as error:
        told = type(error)(_told(warehouse, side, error), error.run)
        end("failed", error.run, told)
        raise told from None
    except BaseException as error:
        end("failed", None, error)
        raise
    end("passed", run)
    compared = compare.compare(warehouse, build_id, side, project, manifest)
    return Built(side, builds.fingerprint(loads, project), models, run, build_id, compared)


def _run(warehouse: Warehouse, side: str, refreshed: Refresh, progress: Progress | None) -> DbtRun:
    args = ["build", "--full-refresh"] if refreshed.everything else ["build"]
    return dbt_run.run_dbt(args, dbt_run.on_side(warehouse, side), progress)


def _told(warehouse: Warehouse, side: str, error: DbtTestsFailed | DbtNodesBroke) -> str:
    readers = "Readers keep the old marts" if live_side(warehouse) else "There are no marts yet"
    rows = failed_tests.describe(warehouse, error.run) if isinstance(error, DbtTestsFailed) else ""
    return "\n".join(part for part in (str(error), rows, f"{readers}; the candidate is in {side}.") if part)


def _end(
    warehouse: Warehouse,
    build_id: int,
    side: str,
    refreshed: Refresh,
    run_id: str | None,
    status: str,
    run: DbtRun | None,
    error: BaseException | None = None,
) -> None:
    """Keep how the build ended, the manifest that the side's next build compares with, and every node's result.

    The owners are told of an error; a bug or a stop ends the run, which tells.
    """
    manifest: bytes | None = None
    if run is not None:
        dbt_run.keep(warehouse, side, run, run_id)
        run.artifact("manifest")  # of this very run, or it raises
        manifest = (run.target_path / "manifest.json").read_bytes()
    models = ("all",) if refreshed.everything else refreshed.models
    with warehouse.engine.begin() as connection:
        builds.finish(connection, build_id, status, manifest, run.invocation_id if run else None, models)
        if isinstance(error, SluiceError):
            rules.marts_failed(connection, error, warehouse.now())


def publish(warehouse: Warehouse, built: Built, run_id: str | None) -> None:
    """Make the candidate what readers read. Raises ToolError if readers held the marts too long."""
    warned = failed_tests.warned_tests(warehouse, built.run)
    what = marts.Publication(built.side, built.models, built.inputs, built.build_id, run_id, warned=warned)
    try:
        marts.publish_marts(warehouse, what, fence=built.build_id)
    except SluiceError as error:
        rules.marts_not_published(warehouse, error)
        raise


def live_side(warehouse: Warehouse) -> str | None:
    """The side readers read, if the marts were ever published."""
    with warehouse.engine.begin() as connection:
        now = builds.live(connection)
    return str(now.side) if now else None


def _mart_models(warehouse: Warehouse, manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """The models of models/marts/, which are what readers get to see. A young project may have none yet.

    Raises:
        ConfigError: there is none, where readers have some.
    """
    models = [
        str(node["name"])
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and "marts" in node["fqn"][1:-1]
    ]
    with warehouse.engine.begin() as connection:
        now = builds.live(connection)
    if not models and now is not None and now.models:
        raise ConfigError(
            f"the dbt project has no model in models/marts/ any more, and readers have {', '.join(now.models)}. "
            "They keep the old marts; put the models back, or keep one"
        )
    return tuple(sorted(models))

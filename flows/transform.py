"""Transform: dbt builds the candidate side, and only when all its tests pass are the marts published.

The shell around dbt (flows/dbt_run.py) and the publish (flows/marts.py): chooses the side, keeps every node's result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from contracts.errors import ToolError
from flows import dbt_run, ledger, marts
from flows.dbt_results import DbtNodesBroke, DbtRun, DbtTestsFailed
from flows.warehouse import Warehouse, home

if TYPE_CHECKING:
    from flows.dbt_nodes import Progress

dbt_results = sa.Table(
    "dbt_results",
    ledger.metadata,
    sa.Column("invocation_id", sa.Text(), nullable=False),
    sa.Column("unique_id", sa.Text(), nullable=False),
    sa.Column("side", sa.Text(), nullable=False),
    sa.Column("resource_type", sa.Text(), nullable=False),
    sa.Column("status", sa.Text(), nullable=False),
    sa.Column("rows", sa.BigInteger()),
    sa.Column("failures", sa.BigInteger()),
    sa.Column("seconds", sa.Double(), nullable=False),
    sa.Column("message", sa.Text(), nullable=False),
    sa.Column("run_id", sa.Text()),
    sa.Column("recorded_at", ledger.Moment, nullable=False, server_default=sa.func.now()),
    sa.PrimaryKeyConstraint("invocation_id", "unique_id"),
)

PROJECT_FILES = ("*.sql", "*.yml", "*.csv", "*.md")


@dataclass(frozen=True, slots=True)
class Built:
    """A candidate side whose tests all passed."""

    side: str
    inputs: str
    models: tuple[str, ...]
    run: DbtRun


def due(warehouse: Warehouse) -> bool:
    """Whether the marts lack a load, or were built by another dbt project than this.

    Before anything was ever published there is nothing to transform.
    """
    with warehouse.engine.begin() as connection:
        now = marts.live(connection)
        if now is None and not connection.scalar(sa.select(sa.exists().where(ledger.batches.c.status == "published"))):
            return False
        return now is None or now.inputs != _inputs(connection)


def build(warehouse: Warehouse, run_id: str | None, progress: Progress | None = None) -> Built:
    """Build and test the candidate side with dbt; readers see nothing of it.

    Raises:
        DataError: tests of severity error found rows; the candidate stays for inspection, readers keep the old marts.
        ToolError: dbt or one of its nodes broke.
    """
    with warehouse.engine.begin() as connection:
        inputs = _inputs(connection)
        side = marts.candidate(connection)
    try:
        run = dbt_run.run_dbt(
            ["build"],
            url=warehouse.url,
            side=side,
            target=warehouse.target,
            home=home(),
            project=dbt_run.PROJECT,
            progress=progress,
        )
    except (DbtTestsFailed, DbtNodesBroke) as error:
        _keep_results(warehouse, side, error.run, run_id)
        readers = "Readers keep the old marts" if live_side(warehouse) else "There are no marts yet"
        raise type(error)(f"{error}\n{readers}; the candidate is in {side}.", error.run) from None
    _keep_results(warehouse, side, run, run_id)
    return Built(side, inputs, _mart_models(run.artifact("manifest")), run)


def publish(warehouse: Warehouse, built: Built, run_id: str | None) -> None:
    """Make the candidate what readers read. Raises ToolError if readers held the marts too long."""
    marts.publish_marts(warehouse, built.side, built.models, built.inputs, run_id)


def live_side(warehouse: Warehouse) -> str | None:
    """The side readers read, if the marts were ever published."""
    with warehouse.engine.begin() as connection:
        now = marts.live(connection)
    return str(now.side) if now else None


def _inputs(connection: sa.Connection) -> str:
    """Fingerprint of what the marts are made of: the published loads and the dbt project."""
    loads = ledger.batches
    published = sa.select(loads.c.load_id).where(loads.c.status == "published").order_by(loads.c.load_id)
    digest = sha256(",".join(map(str, connection.scalars(published))).encode())
    for file in sorted(path for pattern in PROJECT_FILES for path in _project_files(pattern)):
        digest.update(str(file.relative_to(dbt_run.PROJECT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _project_files(pattern: str) -> list[Path]:
    ignored = {"target", "logs", "dbt_packages"}
    return [
        path for path in dbt_run.PROJECT.rglob(pattern) if not ignored & set(path.relative_to(dbt_run.PROJECT).parts)
    ]


def _mart_models(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """The models of models/marts/, which are what readers get to see."""
    models = [
        str(node["name"])
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and "marts" in node["fqn"][1:-1]
    ]
    if not models:
        raise ToolError("the dbt project has no model in models/marts/, so there is nothing to publish")
    return tuple(sorted(models))


def _keep_results(warehouse: Warehouse, side: str, run: DbtRun, run_id: str | None) -> None:
    rows = [
        {
            "invocation_id": run.invocation_id,
            "unique_id": node.unique_id,
            "side": side,
            "resource_type": node.resource_type,
            "status": node.status,
            "rows": node.rows,
            "failures": node.failures,
            "seconds": node.seconds,
            "message": node.message or "",
            "run_id": run_id,
        }
        for node in run.nodes
    ]
    with warehouse.engine.begin() as connection:
        connection.execute(dbt_results.insert(), rows)

"""What a side must build from nothing: the models whose logic changed since the side was last built.

A side is built every second time, so it compares with its own past, not with what is live. A model that takes in loads
would keep the rows of the old logic: its table on the side is dropped, which nobody reads, and dbt's build fills it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from sluice.contract.errors import SluiceError
from sluice.ledger import write_right
from sluice.ledger.builds import Base
from sluice.marts.dbt import run
from sluice.project.paths import home
from sluice.warehouse.warehouse import Warehouse

# Of dbt's `state:modified`, what changes rows. Its rest, descriptions and documents, dbt renews on every table anyway.
MODIFIED = " ".join(f"state:modified.{what}+" for what in ("body", "configs", "contract", "macros", "relation"))
DROP = sa.DDL("DROP TABLE %(fullname)s CASCADE")
REFILLED = ("seed", "incremental")  # what dbt fills again instead of making it anew


@dataclass(frozen=True, slots=True)
class Refresh:
    """What is built from nothing.

    Attributes:
        everything: it is unknown what the side was built from, so nothing of it is kept.
        models: otherwise, the names of the models and seeds whose tables are dropped first.
    """

    everything: bool = False
    models: tuple[str, ...] = ()


def changed(warehouse: Warehouse, side: str, project: str, bases: Sequence[Base]) -> Refresh:
    """Compare the project with everything the side may have been made by. Runs dbt only if it changed at all."""
    others = [base for base in bases if base.project != project]
    if not bases or any(base.manifest is None for base in others):
        return Refresh(everything=True)
    found: set[str] = set()
    for number, base in enumerate(others):
        folder = home() / "dbt" / side / "state" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.json").write_bytes(base.manifest or b"")
        try:
            found |= set(_kept_and_modified(warehouse, side, str(folder)))
        except SluiceError:  # another dbt's manifest, or a broken project, which the build will report
            return Refresh(everything=True)
    return Refresh(models=tuple(sorted(found)))


def drop(warehouse: Warehouse, side: str, build_id: int, models: Iterable[str]) -> None:
    """Drop the models' tables on the side, with the side's views over them; dbt recreates them.

    Each in a separate transaction, as dbt does: a reader's prepared statement, planned while the side was live,
    locks the tables it knew, in any order, before it finds that the views show others.

    Raises:
        Overtaken: a later build began, so nothing more may be dropped.
    """
    with write_right.held(warehouse, side, build_id) as connection:
        found = {*sa.inspect(connection).get_table_names(schema=side)} if _exists(connection, side) else set()
        connection.commit()
        for model in sorted(found.intersection(models)):
            connection.execute(DROP.against(sa.Table(model, sa.MetaData(), schema=side)))
            connection.commit()


def _exists(connection: sa.Connection, side: str) -> bool:
    return side in sa.inspect(connection).get_schema_names()


def _kept_and_modified(warehouse: Warehouse, side: str, state: str) -> list[str]:
    lines = run.list_nodes(
        ["--select", *MODIFIED.split(), "--state", state, "--output", "json"],
        ["alias", "config"],
        run.on_side(warehouse, side),
    )
    nodes = [json.loads(line) for line in lines]
    # Tests and exposures are listed too, and are neither
    return [node["alias"] for node in nodes if node["config"].get("materialized") in REFILLED]

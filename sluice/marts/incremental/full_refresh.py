"""What a side must build from nothing: the models whose logic changed since the side was last built.

A side is built every second time, so it compares with its own past, not with what is live. A model that takes in loads
would keep the rows of the old logic: its table on the side is dropped, which nobody reads, and dbt's build fills it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sluice.contract.derive.schemas import Schemas
from sluice.contract.errors import SluiceError
from sluice.ledger import write_right
from sluice.ledger.builds import BuildBase
from sluice.marts.dbt import run
from sluice.marts.dbt.environment import DbtPlace
from sluice.project import dbt_manifest
from sluice.project.paths import home
from sluice.warehouse.warehouse import Warehouse

# Of dbt's `state:modified`, what changes rows. Its rest, descriptions and documents, dbt renews on every table anyway;
# the configuration of a source says how fresh it is to be, and the like.
MODIFIED = [f"state:modified.{what}" for what in ("body", "contract", "macros", "relation")]
MODIFIED += [f"state:modified.configs,resource_type:{kind}" for kind in ("model", "seed", "snapshot")]
KIND = sa.text(
    "SELECT relkind FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
    "WHERE nspname = :part AND relname = :name"
)
KINDS = {"r": "TABLE", "p": "TABLE", "f": "FOREIGN TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW"}
REFILLED = ("seed", "incremental", "materialized_view")  # what dbt fills again instead of rebuilding it


@dataclass(frozen=True, slots=True)
class Refresh:
    """What is built from nothing.

    Attributes:
        everything: it is unknown what the side was built from, so nothing of it is kept.
        models: otherwise, the names of the models and seeds whose tables are dropped first; with their schema where
            that is not the side's own.
    """

    everything: bool = False
    models: tuple[str, ...] = ()


def changed(warehouse: Warehouse, side: str, project: str, bases: Sequence[BuildBase]) -> Refresh:
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
    """Drop the models' tables on the side, with the side's views over them; dbt recreates them. Views, too: a model
    that was one may be a table now.

    Each in a separate transaction, as dbt does: a reader's prepared statement, planned while the side was live,
    locks the tables it knew, in any order, before it finds that the views show others.

    Raises:
        Overtaken: a later build began, so nothing more may be dropped.
    """
    with write_right.held(warehouse, side, build_id) as connection:
        for part, table in sorted({_table(warehouse.schemas, side, model) for model in models}):
            kind = connection.scalar(KIND, {"part": part, "name": table})
            connection.commit()
            if kind in KINDS:
                drop = sa.DDL(f"DROP {KINDS[kind]} %(fullname)s CASCADE")
                connection.execute(drop.against(sa.Table(table, sa.MetaData(), schema=part)))
                connection.commit()


def label(side: str, schema: str, name: str) -> str:
    """What a model's table on a side is called: with its schema where that is not the side's own."""
    return name if schema == side else f"{schema}.{name}"


def _table(schemas: Schemas, side: str, model: str) -> tuple[str, str]:
    """Schema and name of the table that has this label. Its name may have a dot."""
    schema, _, name = model.partition(".")
    return (schema, name) if schema in schemas.parts(side) and name else (side, model)


def modified(place: DbtPlace, state: str) -> tuple[set[str], set[str], Mapping[str, Any]]:
    """What of the project gives other rows than that of a manifest.

    Args:
        state: the folder of that manifest.

    Returns:
        The ids of what is new or was changed; those with everything downstream of them; the project's manifest.

    Raises:
        SluiceError: dbt cannot read the project, or that manifest.
    """
    args = ["--select", *MODIFIED, "--exclude-resource-type", "test", "unit_test", "--state", state, "--output", "json"]
    found = {json.loads(line)["unique_id"] for line in run.list_nodes(args, ["unique_id"], place)}
    manifest = json.loads((place.target_path / "manifest.json").read_bytes())
    with_downstream: set[str] = set()
    for kind in ("nodes", "sources"):
        with_downstream |= dbt_manifest.below(manifest, kind, lambda node: node["unique_id"] in found)
    return found, with_downstream, manifest


def _kept_and_modified(warehouse: Warehouse, side: str, state: str) -> list[str]:
    _, with_downstream, manifest = modified(run.on_side(warehouse, side), state)
    nodes = [manifest["nodes"][name] for name in with_downstream if name in manifest["nodes"]]
    refilled = [node for node in nodes if node["config"].get("materialized") in REFILLED and not only_here(node)]
    return [label(side, node["schema"], node["alias"]) for node in refilled]


def only_here(node: Mapping[str, Any]) -> bool:
    """Whether the model's rows cannot be built again, as its project says."""
    return bool(node["config"].get("full_refresh") is False)

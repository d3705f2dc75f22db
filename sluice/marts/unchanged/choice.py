"""Which nodes a build runs, and which it leaves as the side has them (docs/decisions/0044-build-what-changed.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sluice.ledger import builds
from sluice.ledger.builds import BuildBase
from sluice.marts.dbt import run as dbt_run
from sluice.marts.dbt.results import DbtRun, NodeResult
from sluice.marts.unchanged import built_nodes, inputs, steady, surroundings
from sluice.marts.unchanged.built_nodes import BuiltNode
from sluice.project import paths
from sluice.warehouse.postgres import catalog
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse

SELECTABLE = re.compile(r"[\w.\-]+")
AT = "%Y-%m-%d %H:%M UTC"
GOOD = ("success", "pass", "warn")  # what may be carried over; a failure never is


@dataclass(frozen=True)
class Choice:
    """What a build is to run.

    Attributes:
        run: ids of the nodes; None for all that there are.
        kept: the records of the others, by id.
        selectors: what dbt is asked for.
        recorded: whether the side's next build is to know what this one made.
    """

    run: tuple[str, ...] | None = None
    kept: Mapping[str, BuiltNode] | None = None
    selectors: tuple[str, ...] = ()
    recorded: bool = True

    @property
    def args(self) -> list[str]:
        """Arguments of `dbt build`."""
        return [] if self.run is None else ["--indirect-selection", "empty", "--select", *self.selectors]

    @property
    def carried(self) -> tuple[NodeResult, ...]:
        """The results of the nodes that are kept, each with the time at which it was measured."""
        return tuple(map(_carried, (self.kept or {}).values()))


EVERYTHING = Choice()
UNRECORDED = Choice(recorded=False)


@dataclass(frozen=True, slots=True)
class Begun:
    """A build that has begun.

    Attributes:
        loads: those that were published then.
        args: arguments of `dbt build`, beside those of the choice.
    """

    side: str
    build_id: int
    loads: Sequence[int]
    args: Sequence[str] = ()


def choose(warehouse: Warehouse, side: str, build_id: int, project: str, bases: Sequence[BuildBase]) -> Choice:
    """Compare every node with its record on the side. Runs dbt only if the project changed. Writes nothing.

    Raises:
        DbtDidNotRun: the project does not parse.
    """
    manifest = _manifest(warehouse, side, build_id, project, bases)
    with transaction(warehouse.engine, "the records of what the side has cannot be read") as connection:
        records = built_nodes.of_side(connection, side)
        there = catalog.relations(connection, side)
        nodes = surroundings.nodes(connection, manifest)
    everything = nodes.all()
    if not records or not all(SELECTABLE.fullmatch(_selector(node)) for node in everything.values()):
        return EVERYTHING
    forced: set[str] = set()
    while True:

        def known(name: str, fingerprint: str, forced: Collection[str] = frozenset(forced)) -> str | None:
            record = records.get(name)
            if record is None or record.inputs != fingerprint or name in forced:
                return None
            same = record.relation is None or there.get(everything[name]["alias"]) == record.relation
            return record.record if same else None

        found = inputs.identities(nodes, known)
        kept = {name: records[name] for name in everything if found.get(name) is not None and name in records}
        run = [name for name, node in everything.items() if name not in kept and _is_run(node)]
        # dbt is asked by names, and would run what a name begins with, too
        also = {name for name in kept for other in run if _begins(everything[name]["fqn"], everything[other]["fqn"])}
        if not also:
            break
        forced |= also
    return Choice(tuple(run), kept, tuple(f"fqn:{_selector(everything[name])}" for name in run))


def forget(warehouse: Warehouse, side: str, choice: Choice) -> None:
    """Delete the records of what is about to be built, and commit that."""
    with transaction(warehouse.engine, "the records of what the side has cannot be changed") as connection:
        built_nodes.forget(connection, side, tuple(choice.kept or ()))


def lost(warehouse: Warehouse, side: str, choice: Choice) -> list[str]:
    """Relations that were to be kept, and that the build of others has taken away or replaced."""
    with transaction(warehouse.engine, "the relations of the side cannot be read") as connection:
        there = set(catalog.relations(connection, side).values())
    return [
        name for name, each in (choice.kept or {}).items() if each.relation is not None and each.relation not in there
    ]


def record(warehouse: Warehouse, begun: Begun, choice: Choice, run: DbtRun) -> None:
    """Write down what the build made whole; nothing of a node that failed, or that is not steady.

    Raises:
        Overtaken: a later build began.
        ToolError: the database failed. Nothing is written down then, and all is built the next time.
    """
    manifest, now = run.artifact("manifest"), warehouse.now()
    with transaction(warehouse.engine, "the records of what the side has could not be written") as connection:
        builds.fence(connection, begun.build_id)
        nodes = surroundings.nodes(connection, manifest, begun.loads)
        there, volatile = catalog.relations(connection, begun.side), catalog.volatile(connection)
        everything, kept = nodes.all(), choice.kept or {}
        ran = {node.unique_id: node for node in run.nodes if node.unique_id not in kept and node.status in GOOD}
        made: list[BuiltNode] = []

        def known(name: str, fingerprint: str) -> str | None:
            if name in kept:
                return kept[name].record if kept[name].inputs == fingerprint else None
            if name not in ran or not _steady(everything[name], nodes.manifest, volatile):
                return None
            has_relation = everything[name]["resource_type"] in inputs.BUILT
            relation = there.get(everything[name]["alias"]) if has_relation else None
            if has_relation and relation is None:
                return None
            made.append(BuiltNode(name, uuid4().hex, fingerprint, relation, _result(ran[name], now)))
            return made[-1].record

        inputs.identities(nodes, known)
        built_nodes.keep(connection, begun.side, begun.build_id, made)


def _manifest(
    warehouse: Warehouse, side: str, build_id: int, project: str, bases: Sequence[BuildBase]
) -> Mapping[str, Any]:
    """dbt's manifest of the project as it is: of the side's last build, if that was of this very project."""
    for base in bases:
        if base.project == project and base.manifest is not None:
            manifest: dict[str, Any] = json.loads(base.manifest)
            if surroundings.environment(manifest):  # which dbt may put into it while it parses
                break
            # Of another dbt, the file stands for its version: with another one nothing is kept anyhow
            ours = paths.project().settings.dbt_executable is None
            if not ours or manifest["metadata"]["dbt_version"] == surroundings.version_of("dbt-core"):
                return manifest
    return dbt_run.run_dbt(["parse"], dbt_run.on_side(warehouse, side, build_id)).artifact("manifest")


def _steady(node: Mapping[str, Any], manifest: Mapping[str, Any], volatile: Collection[str]) -> bool:
    """Whether what dbt ran for a node gives the same again; of a unit test and a seed, what they are from says so."""
    if node["resource_type"] in ("seed", "unit_test"):
        return True
    relations = [f"{each['schema']}.{each.get('alias') or each.get('identifier')}" for each in _read_by(node, manifest)]
    return bool(node.get("compiled_code")) and steady.proves(node["compiled_code"], relations, volatile)


def _read_by(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a node reads; in the place of an ephemeral model, which is not a relation, what that reads."""
    known = {**manifest["nodes"], **manifest["sources"]}
    for parent in (known[each] for each in node["depends_on"]["nodes"] if each in known):
        if parent.get("config", {}).get("materialized") == "ephemeral":
            yield from _read_by(parent, manifest)
        else:
            yield parent


def _is_run(node: Mapping[str, Any]) -> bool:
    return node.get("config", {}).get("materialized") != "ephemeral" and node["resource_type"] != "analysis"


def _selector(node: Mapping[str, Any]) -> str:
    return ".".join(node["fqn"])


def _begins(fqn: Sequence[str], other: Sequence[str]) -> bool:
    return list(fqn[: len(other)]) == list(other)


def _result(node: NodeResult, now: datetime) -> dict[str, Any]:
    found = {each.name: getattr(node, each.name) for each in fields(NodeResult) if each.name != "measured_at"}
    return {**found, "sql": None if node.sql is None else str(node.sql), "at": f"{now:{AT}}"}


def _carried(built: BuiltNode) -> NodeResult:
    found = {name: value for name, value in built.result.items() if name != "seconds"}
    at, sql = found.pop("at"), found.pop("sql")
    verb = "measured" if built.relation is None else "unchanged since"
    message = f"{found.pop('message')} ({verb} {at})".strip()
    then = datetime.strptime(at, AT).replace(tzinfo=UTC)
    return NodeResult(**found, message=message, seconds=0.0, sql=Path(sql) if sql else None, measured_at=then)

"""The models that a change adds, removes or changes: found by dbt's manifests, built beside the marts, compared."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sluice.contract.errors import ConfigError, SluiceError
from sluice.contract.formatting import counted
from sluice.ledger import builds
from sluice.ledger.loads import published_loads
from sluice.marts import measures
from sluice.marts.dbt import run as dbt_run
from sluice.marts.dbt.environment import DbtPlace
from sluice.marts.dbt.results import DbtRun
from sluice.marts.dbt.verdict import DbtDidNotRun, DbtNodesBroke, DbtTestsFailed, describe
from sluice.marts.difference import differ, gate
from sluice.marts.difference.difference import MartDifference
from sluice.marts.incremental import full_refresh
from sluice.marts.own_project import packages
from sluice.marts.own_project.refusals import DbtProject
from sluice.project import fingerprints, paths, personal_columns
from sluice.project.marts.chosen import marts_in
from sluice.review import live_manifest, scratch
from sluice.review.base import Base
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse

BUILT = ("model", "seed")
KEEP = "What was built is dropped. To look at it, run the same with --keep"
NOT_THERE = "there is no warehouse, so no model was built"


@dataclass(frozen=True, slots=True)
class ModelChanges:
    """What the change does to models.

    Attributes:
        changed, gone: models, seeds and snapshots that are new or were changed, and that are not there any more.
        downstream: those that read a changed one, directly or not.
        built: how many models and seeds were built to be compared.
        marts: those of them that are marts, against what readers have.
        failures: what dbt says of models and tests that failed; empty if all passed.
        exit_code: of the failure; 0 if all passed.
        reasons: what is over a limit of `[marts] gate`, one sentence each.
        notes: what to know of the comparison, one sentence each.
    """

    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    downstream: tuple[str, ...] = ()
    built: int = 0
    marts: tuple[MartDifference, ...] = ()
    failures: str = ""
    exit_code: int = 0
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Live:
    """What readers have."""

    side: str
    models: frozenset[str]
    manifest: bytes
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Changed:
    """The change, by ids of nodes."""

    own: Collection[str]
    downstream: Collection[str]
    gone: Sequence[Mapping[str, Any]]
    manifest: Mapping[str, Any]

    @property
    def built(self) -> list[Mapping[str, Any]]:
        """What is built of it. A snapshot is a history, which a review must not write."""
        nodes = [self.manifest["nodes"].get(name) for name in sorted({*self.own, *self.downstream})]
        return [node for node in nodes if node is not None and node["resource_type"] in BUILT]

    def names(self, ids: Collection[str]) -> tuple[str, ...]:
        """As people know them."""
        nodes = [self.manifest["nodes"][name] for name in ids if name in self.manifest["nodes"]]
        return tuple(sorted(node["name"] for node in nodes if node["resource_type"] in (*BUILT, "snapshot")))


def compare(
    base: Base, warehouse: Warehouse | None, personal: Collection[str], folder: Path, keep: bool
) -> ModelChanges:
    """Build what the change touches into schemas that no reader has, compare it with the marts, and drop it.

    Args:
        personal: columns that are masked beside those that the project marks.
        folder: for what dbt writes about the base.
        keep: leave what was built.

    Raises:
        SluiceError: the project cannot be published, another review builds, or the warehouse failed.
    """
    was = paths.project_in(base.root).folder("dbt_project") if base.root is not None else None
    was = was if was is not None and (was / "dbt_project.yml").is_file() else None
    now = paths.dbt_project()
    if not (now / "dbt_project.yml").is_file() or (was and fingerprints.project(was) == fingerprints.project()):
        return ModelChanges()
    if warehouse is None:
        return ModelChanges(notes=(NOT_THERE,))
    place = dbt_run.on_side(warehouse, warehouse.schemas.review)
    try:
        found = _changed(place, base, was, folder)
    except DbtDidNotRun as error:  # which a reviewer is to read, beside what contracts change
        return ModelChanges(failures=str(error), exit_code=error.exit_code)
    known = ModelChanges(found.names(found.own), tuple(sorted(node["name"] for node in found.gone)))
    known = replace(known, downstream=found.names({*found.downstream} - {*found.own}))
    _refuse(warehouse, found.manifest)
    with transaction(warehouse.engine, "what readers have cannot be looked up") as connection:
        live = _live(connection, base, was)
    if live is None:
        return replace(known, notes=("readers have no marts yet, so no model was built",))
    if not found.built and not found.gone:
        return replace(known, notes=live.notes)
    with scratch.schemas(warehouse, keep):
        return _built(warehouse, place, found, live, known, personal, folder, keep)


def _changed(place: DbtPlace, base: Base, was: Path | None, folder: Path) -> _Changed:
    packages.install(place)
    if was is None:
        whole = dbt_run.run_dbt(["parse"], place).artifact("manifest")
        return _Changed({*whole["nodes"]}, (), (), whole)
    assert base.root is not None
    before = replace(place, home=folder, project=was, profiles=paths.project_in(base.root).folder("profiles"))
    try:
        packages.install(before)
        old = dbt_run.run_dbt(["parse"], before).artifact("manifest")
    except SluiceError as error:
        raise type(error)(f"the dbt project of {base}: {error}") from None
    own, downstream, manifest = full_refresh.modified(place, str(before.target_path))
    kinds = (*BUILT, "snapshot")
    gone = [node for name, node in old["nodes"].items() if node["resource_type"] in kinds]
    gone = [node for node in gone if node["unique_id"] not in manifest["nodes"]]
    return _Changed(own, downstream, gone, manifest)


def _refuse(warehouse: Warehouse, manifest: Mapping[str, Any]) -> None:
    """Raise ConfigError where a build of a project with its own schemas would refuse it."""
    if paths.project().settings.marts.schemas is None:
        return
    suffix = warehouse.schemas.review.removeprefix(warehouse.schemas.marts)
    project = DbtProject(manifest, warehouse.schemas, suffix, str(warehouse.url.database))
    if reasons := list(dict.fromkeys(project.refusals())):
        raise ConfigError("\n  ".join(["this dbt project cannot be published as it is. Nothing was built:", *reasons]))


def _live(connection: sa.Connection, base: Base, was: Path | None) -> _Live | None:
    now = builds.live(connection)
    build = builds.newest_touching(connection, now.side) if now is not None else None
    if now is None or build is None or build.manifest is None:
        return None
    notes = []
    if missing := {*published_loads(connection)} - {*build.loads}:
        notes.append(
            f"{counted(len(missing), 'published load')} came after the marts that readers have, so rows of them are new"
        )
    if was is not None and fingerprints.project(was) != build.project:
        notes.append(f"readers have marts of another version of the dbt project than {base}, which may differ, too")
    return _Live(now.side, frozenset(now.models), live_manifest.read(connection, build.manifest), tuple(notes))


def _built(
    warehouse: Warehouse,
    place: DbtPlace,
    found: _Changed,
    live: _Live,
    known: ModelChanges,
    personal: Collection[str],
    folder: Path,
    keep: bool,
) -> ModelChanges:
    state = folder / "live"
    state.mkdir()
    (state / "manifest.json").write_bytes(live.manifest)
    run, failures, exit_code = _run(place, found, state, keep)
    nodes = run.nodes if run is not None else ()
    there = {node.unique_id for node in nodes if node.resource_type in BUILT and node.status == "success"}
    manifest = run.artifact("manifest") if run is not None else found.manifest
    marts, reasons = _compared(warehouse, manifest, there, found, live, personal)
    return replace(
        known,
        built=len(there),
        marts=marts,
        failures=failures,
        exit_code=exit_code,
        reasons=reasons,
        notes=live.notes,
    )


def _run(place: DbtPlace, found: _Changed, state: Path, keep: bool) -> tuple[DbtRun | None, str, int]:
    """Build and test; what is not built is read where readers have it (dbt's defer).

    Returns:
        The run; what failed; the exit code of that.
    """
    if not found.built:
        return None, "", 0
    selectors = [f"fqn:{'.'.join(node['fqn'])}" for node in found.built]
    args = ["build", "--select", *selectors, "--exclude-resource-type", "snapshot"]
    try:
        run = dbt_run.run_dbt([*args, "--defer", "--favor-state", "--state", str(state)], place, whole=False)
    except (DbtTestsFailed, DbtNodesBroke) as error:
        said = str(error) if keep else f"{describe(error.run, error.run.failed, stays=False)}\n{KEEP}"
        return error.run, said, error.exit_code
    return run, "", 0


def _compared(
    warehouse: Warehouse,
    manifest: Mapping[str, Any],
    there: Collection[str],
    found: _Changed,
    live: _Live,
    personal: Collection[str],
) -> tuple[tuple[MartDifference, ...], tuple[str, ...]]:
    """The marts that were built, and those that are gone, against what readers have."""
    old = json.loads(live.manifest)
    hidden = personal_columns.columns([*manifest["nodes"].values(), *old["nodes"].values()], personal)
    kept = {name: node for name, node in manifest["nodes"].items() if name in there or node["resource_type"] == "test"}
    reading = warehouse.dbt.execution_options(postgresql_readonly=True)  # a view calls functions as who reads it
    with transaction(reading, "the models cannot be compared with the marts") as connection:
        missing = warehouse.data.missing_marts(connection, live.side, sorted(live.models))
        readers_have = live.models - {*missing}
        marts = [*measures.marts_of(connection, warehouse.schemas.review, {**manifest, "nodes": kept})]
        were = marts_in(old)
        gone = {measures.label(connection, node) for node in found.gone if node["unique_id"] in were}
        shown = readers_have & ({mart.name for mart in marts} | gone)
        sides = differ.Sides(live.side, warehouse.schemas.review, shown, hidden)
        compared = differ.compare(connection, sides, marts, samples=True)
    return compared, gate.reasons(compared, paths.project().settings.marts.gate)

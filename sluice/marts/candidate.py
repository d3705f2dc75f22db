"""The candidate: the side that the newest build made, tested, and not published yet. Compared, published, or refused.

A side that a rollback took out is not one: its last build is a published one, so it takes a new build, which tests all.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sluice.contract.errors import ConfigError, DataError, SluiceError, ToolError
from sluice.ledger import builds
from sluice.ledger.reading import is_there
from sluice.ledger.tables import dbt_results
from sluice.marts import build, failed_tests, measures
from sluice.marts import publish as marts
from sluice.marts.build import Built
from sluice.marts.dbt import run as dbt_run
from sluice.marts.dbt.results import DbtRun, NodeResult
from sluice.marts.difference import differ, gate
from sluice.marts.difference.difference import Difference
from sluice.project import paths, personal_columns
from sluice.project.marts.chosen import no_marts
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse, person

BUILD = "Build them: sluice marts build"


class WaitsForPerson(DataError):
    """The marts changed more than `[marts] gate` allows: `held` says what, and why."""

    incident = "marts_held"
    next_command = "sluice marts diff"

    def __init__(self, held: Difference) -> None:
        said = "the marts were not published: they changed more than [marts] gate allows:"
        then = "The old marts stay. See the difference: sluice marts diff. If it is right: "
        reasons = "\n  ".join([said, *held.reasons])
        super().__init__(f'{reasons}\n{then}sluice marts publish --why "TEXT"')
        self.held = held


@dataclass(frozen=True, slots=True)
class Candidate:
    """A side whose tests all passed, and the dbt project that it was built from."""

    side: str
    build_id: int
    built_at: datetime
    inputs: str
    manifest: Mapping[str, Any]
    invocation_id: str


def nothing_built() -> ConfigError:
    """The error where no build was ever begun."""
    return ConfigError(f"there is no candidate: the marts were never built. {BUILD}")


def find(connection: sa.Connection) -> Candidate:
    """The candidate.

    Raises:
        ConfigError: nothing was built, readers have the newest build, or a rollback took it out.
        DataError, ToolError: the newest build failed, or did not end.
    """
    newest = builds.newest(connection) if is_there(connection) else None
    if newest is None:
        raise nothing_built()
    if newest.status != "passed":
        raise _refusal(newest, builds.live(connection))
    kept = newest.manifest
    if kept is None:
        raise ToolError(f"the dbt manifest of build {newest.build_id} is not in the ledger. {BUILD}")
    return Candidate(
        newest.side,
        int(newest.build_id),
        newest.finished_at,
        builds.fingerprint(newest.loads, newest.project),
        json.loads(gzip.decompress(kept)),
        str(newest.invocation_id),
    )


def _refusal(newest: sa.Row, live: sa.Row | None) -> SluiceError:
    """Why the newest build is not a candidate."""
    which = f"build {newest.build_id} of {newest.side}"
    if newest.status == "failed":
        return DataError(
            f"there is no candidate: {which} did not pass. Correct what it reported, then: sluice marts build"
        )
    if newest.status == "published" and live is not None and live.kind == "rollback":
        return ConfigError(
            f"there is no candidate: {newest.side} was taken out by a rollback, and is published only after a "
            f"new build has tested it whole. {BUILD}"
        )
    if newest.status == "published":
        return ConfigError(f"there is no candidate: readers have {which}, the newest. {BUILD}")
    return ToolError(f"there is no candidate: {which} did not end ({newest.status}). Run it again: sluice marts build")


def difference(warehouse: Warehouse, *, samples: bool = True) -> Difference:
    """The candidate against what readers have, and whether its publish waits for a person.

    Raises:
        ConfigError, DataError, ToolError: as `find`, or the database failed.
    """
    # As dbt's user: a view of a model calls functions with the rights of who reads it
    reading = warehouse.dbt.execution_options(postgresql_readonly=True)
    with transaction(reading, "the candidate cannot be compared with the marts") as connection:
        return _difference(warehouse, connection, find(connection), samples)


def _difference(warehouse: Warehouse, connection: sa.Connection, found: Candidate, samples: bool) -> Difference:
    live = builds.live(connection)
    gone = warehouse.data.missing_marts(connection, live.side, live.models) if live is not None else []
    shown = {*live.models} - {*gone} if live is not None else set()
    personal = personal_columns.columns(found.manifest["nodes"].values()) if samples else set()
    sides = differ.Sides(live.side if live is not None else None, found.side, shown, personal)
    there = [*measures.marts_of(connection, found.side, found.manifest)]
    compared = differ.compare(connection, sides, there, samples)
    reasons = gate.reasons(compared, paths.project().settings.marts.gate)
    return Difference(found.side, found.build_id, found.built_at, sides.old, compared, reasons)


def _hold_if_beyond_gate(warehouse: Warehouse, why: str) -> None:
    """Nothing, if `[marts] gate` lets the candidate through, or a person gave a reason.

    Raises:
        WaitsForPerson: it changed more than that.
    """
    if why or not paths.project().settings.marts.gate.any:
        return
    found = difference(warehouse, samples=False)
    if found.reasons:
        raise WaitsForPerson(found)


def publish(warehouse: Warehouse, built: Built, run_id: str | None, why: str = "", who: str | None = None) -> None:
    """Make the candidate what readers read.

    Args:
        why: a person's reason, where `[marts] gate` would hold it.
        who: that person; the user of the operating system if not given.

    Raises:
        WaitsForPerson: the marts changed more than `[marts] gate` allows.
        ToolError: readers held the marts too long.
    """
    with build.alerting(warehouse, built.build_id):
        _hold_if_beyond_gate(warehouse, why)
        what = marts.Publication(
            built.side,
            built.models,
            built.inputs,
            built.build_id,
            run_id,
            warned=failed_tests.warned_tests(warehouse, built.run),
            released=(person(who), why) if why else None,
        )
        marts.publish_marts(warehouse, what, fence=built.build_id)


def publish_passed(warehouse: Warehouse, why: str = "", who: str | None = None) -> Built:
    """Publish what the newest build made, if it passed. Builds and tests nothing.

    Raises:
        BusyError: a build is running.
        SluiceError: as `find` and `publish`.
    """
    with warehouse.lock("dbt"):
        with transaction(warehouse.engine, "the candidate cannot be looked up") as connection:
            found = find(connection)
            run = _run_of(warehouse, connection, found)
        models = build.mart_models(warehouse, found.manifest)
        if not models:
            raise ConfigError(f"there is nothing to publish: {no_marts()}")
        built = Built(found.side, found.inputs, models, run, found.build_id)
        publish(warehouse, built, None, why, who)
        return built


def _run_of(warehouse: Warehouse, connection: sa.Connection, found: Candidate) -> DbtRun:
    """What the ledger has of the candidate's build: every node's result, but no SQL."""
    place = dbt_run.on_side(warehouse, found.side)
    known = {**found.manifest["nodes"], **found.manifest.get("unit_tests", {})}
    query = sa.select(dbt_results).where(dbt_results.c.invocation_id == found.invocation_id)
    nodes = tuple(
        NodeResult(
            row.unique_id,
            known[row.unique_id]["name"],
            row.resource_type,
            row.status,
            row.message,
            row.failures,
            row.rows,
            row.seconds,
        )
        for row in connection.execute(query)
        if row.unique_id in known
    )
    return DbtRun("build", found.invocation_id, nodes, 0.0, place.target_path, place.log)

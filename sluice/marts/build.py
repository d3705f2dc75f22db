"""Transform: dbt builds the candidate side, and only when all its tests pass are the marts published.

The shell around dbt (dbt/run.py) and the publish (publish.py): chooses the side, keeps every node's result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa

from sluice.alerts import rules
from sluice.contract.errors import ConfigError, Overtaken, SluiceError, ToolError
from sluice.ledger import builds, tables, write_right
from sluice.ledger.loads import published_loads
from sluice.marts import compare, failed_tests, measures, publish
from sluice.marts.dbt import run as dbt_run
from sluice.marts.dbt.results import DbtRun
from sluice.marts.dbt.runner import Progress
from sluice.marts.dbt.verdict import DbtBrokeOff, DbtDidNotRun, DbtNodesBroke, DbtTestsFailed
from sluice.marts.incremental import copies, full_refresh
from sluice.marts.incremental.full_refresh import Refresh
from sluice.marts.own_project import prepare as own_project
from sluice.marts.unchanged import choice as unchanged
from sluice.marts.unchanged.choice import EVERYTHING, UNRECORDED, Begun, Choice
from sluice.project import fingerprints, paths
from sluice.project.marts.chosen import marts_in
from sluice.warehouse.postgres.session import DATABASE_ERRORS, first_line
from sluice.warehouse.postgres.transactions import transaction
from sluice.warehouse.warehouse import Warehouse


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
    compared: tuple[compare.Compared, ...] = ()


def due(warehouse: Warehouse) -> bool:
    """Whether the marts lack a load or a table, or were built by another dbt project than this.

    Nothing is due before the first publish, and what a rollback took out not from the same loads. A plan asks, too.
    """
    with transaction(warehouse.engine, "cannot determine whether the marts must be rebuilt") as connection:
        now = builds.live(connection)
        if now is None and not connection.scalar(sa.select(sa.exists().where(tables.batches.c.status == "published"))):
            return False
        inputs = builds.fingerprint(published_loads(connection), fingerprints.project())
        lacking = now is None or inputs not in (now.inputs, builds.taken_out(connection, now))
        return lacking or bool(warehouse.data.missing_marts(connection, now.side, now.models))  # type: ignore[union-attr]


def report_up_to_date(warehouse: Warehouse) -> None:
    """Close the incidents of a failed build, where none is due. For runs: a plan asks only `due`."""
    with transaction(warehouse.engine, "cannot report that the marts are up to date") as connection:
        if builds.live(connection) is not None:
            rules.marts_are_new(connection, warehouse.now())


def build(
    warehouse: Warehouse, run_id: str | None, progress: Progress | None = None, changed: bool | None = None
) -> Built:
    """Build and test the candidate side with dbt; readers see nothing of it. The caller holds the lock on dbt.

    Args:
        changed: leave what the side has as it would be built; as `[dbt] build` says if not given.

    Raises:
        DataError: tests of severity error found rows; the candidate stays for inspection, readers keep the old marts.
        ToolError: dbt or one of its nodes broke.
        ConfigError: the project has no mart any more, or cannot be published as it is.
    """
    with alerting(warehouse):
        prepared = own_project.prepare(warehouse)
    project = fingerprints.project()
    with transaction(warehouse.engine, "cannot start the build of the marts") as connection:
        builds.take_over(connection)
        side, loads = builds.candidate(connection), published_loads(connection)
        build_id = builds.begin(connection, side, project, loads, run_id)
        bases = builds.bases(connection, side, build_id)
    write_right.clear(warehouse, side)  # only now that an older build's sessions can read that theirs is not the newest
    refreshed = full_refresh.changed(warehouse, side, project, bases)
    end = partial(_end, warehouse, build_id, side, refreshed, run_id)
    touched = bool(refreshed.models or prepared.snapshots)
    try:
        start = copies.make(warehouse, side, build_id, prepared.manifest, refreshed, progress)
        touched |= start.touched
        warehouse.data.analyze(warehouse.engine)
        whole = paths.project().settings.build == "all" if changed is None else not changed
        choice = UNRECORDED if whole else EVERYTHING if refreshed.everything else None
        if choice is None:
            choice = unchanged.choose(warehouse, side, build_id, project, bases)
        own_project.take_snapshots(warehouse, prepared, side, build_id, start.everything, progress)
        begun = Begun(side, build_id, loads, prepared.args)
        run = _run(warehouse, begun, start.everything, choice, progress)
        manifest = run.artifact("manifest")
        models = mart_models(warehouse, manifest)
        own_project.refuse_built(warehouse, side, manifest, models)
    except DbtDidNotRun as error:
        end("failed" if touched else "not run", None, error)
        raise
    except (DbtTestsFailed, DbtNodesBroke) as error:
        explained = type(error)(_message(warehouse, side, error), error.run)
        end("failed", error.run, explained)
        raise explained from None
    except DATABASE_ERRORS as error:
        failed = ToolError(f"the build of the marts failed in the database: {first_line(error)}. The old marts stay.")
        end("failed", None, failed)
        raise failed from None
    except BaseException as error:
        end("failed", None, error)
        raise
    end("passed", run)
    with alerting(warehouse, build_id):
        compared = compare.compare(warehouse, build_id, side, project, manifest)
    return Built(side, builds.fingerprint(loads, project), models, run, build_id, compared)


def _run(warehouse: Warehouse, begun: Begun, everything: bool, choice: Choice, progress: Progress | None) -> DbtRun:
    """Run the chosen nodes, with their records deleted before and written after."""
    unchanged.forget(warehouse, begun.side, choice)
    place = dbt_run.on_side(warehouse, begun.side, begun.build_id)
    try:
        if choice.run == ():
            run = dbt_run.nothing_to_build(place, choice.carried)
        else:
            args = ["build", *(["--full-refresh"] if everything else []), *choice.args, *begun.args]
            run = dbt_run.run_dbt(args, place, progress, choice.carried)
    except (DbtTestsFailed, DbtNodesBroke) as error:
        _record(warehouse, begun, choice, error.run)
        raise
    if unchanged.lost(warehouse, begun.side, choice):  # something reads what dbt does not know that it reads
        try:
            return _run(warehouse, begun, everything, EVERYTHING, progress)
        except DbtDidNotRun as error:  # but the first one did
            raise DbtBrokeOff(str(error)) from None
    _record(warehouse, begun, choice, run)
    return run


def _record(warehouse: Warehouse, begun: Begun, choice: Choice, run: DbtRun) -> None:
    """Without a record a node is built again, so an error here changes no verdict."""
    if choice.recorded:
        with suppress(SluiceError):
            unchanged.record(warehouse, begun, choice, run)


def _message(warehouse: Warehouse, side: str, error: DbtTestsFailed | DbtNodesBroke) -> str:
    readers = "Readers keep the old marts" if builds.live_side(warehouse) else "There are no marts yet"
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

    The owners are alerted to an error; a bug or a stop ends the run, which alerts them.

    Raises:
        Overtaken: a later build began, which is why this one failed. It needs no alert.
        ToolError: the database took none of it, and there was no error to report before.
    """
    manifest: bytes | None = None
    models = ("all",) if refreshed.everything else refreshed.models
    try:
        with transaction(warehouse.engine, "cannot record the end of the build") as connection:
            if run is not None:
                dbt_run.keep(connection, side, run, run_id)
                run.artifact("manifest")  # of this very run, or it raises
                manifest = (run.target_path / "manifest.json").read_bytes()
            builds.finish(connection, build_id, status, manifest, run.invocation_id if run else None, models)
            overtaken = builds.newest(connection).build_id != build_id  # type: ignore[union-attr]
            if isinstance(error, SluiceError) and not overtaken:
                rules.marts_failed(connection, error, warehouse.now())
    except ToolError:
        if error is None:
            raise
        if isinstance(error, SluiceError):  # what is to be said is why the build failed
            rules.marts_not_published(warehouse, error)
        return
    if overtaken and isinstance(error, SluiceError):
        raise Overtaken(
            f"build {build_id} of {side} was stopped: a later run took over and builds the marts."
        ) from None


@contextmanager
def alerting(warehouse: Warehouse, newest: int | None = None) -> Iterator[None]:
    """Alert the owners when the block fails, before a build has begun or after it has passed: no build's end does.

    Args:
        newest: number of the newest build that the caller knows of; the newest one now if not given.

    Raises:
        Overtaken: the block failed, and a later build has begun, whose run answers for the marts now.
        ToolError: also for an error of the driver.
    """
    try:
        try:
            newest = builds.newest_number(warehouse) if newest is None else newest
            yield
        except DATABASE_ERRORS as error:
            raise ToolError(f"the marts were not published: {first_line(error)}. The old marts stay.") from None
    except SluiceError as error:
        if newest is not None:  # else the database did not say
            publish.raise_if_overtaken(warehouse, newest)
        rules.marts_not_published(warehouse, error)
        raise


def mart_models(warehouse: Warehouse, manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """The marts, which are what readers get to see. A young project may have none yet.

    Raises:
        ConfigError: there is none, where readers have some.
    """
    with warehouse.engine.begin() as connection:
        models = [measures.label(connection, manifest["nodes"][name]) for name in marts_in(manifest)]
        now = builds.live(connection)
    if not models and now is not None and now.models:
        raise ConfigError(
            "the dbt project has no model among the marts any more (those of models/marts/, or of [marts] models in "
            f"sluice.toml), and readers have {', '.join(now.models)}. They keep the old marts; restore the models, or "
            "keep at least one"
        )
    return tuple(sorted(models))

"""What the marts commands do and print."""

from __future__ import annotations

import signal
from dataclasses import asdict
from typing import Any

from sluice.alerts import outbox
from sluice.cli.output import runs
from sluice.cli.output.tables import err, one_form, out, print_json, print_table
from sluice.contract.errors import SluiceError
from sluice.contract.formatting import counted
from sluice.marts import build as building
from sluice.marts import candidate
from sluice.marts import rollback as back
from sluice.marts.build import Built
from sluice.project.marts.chosen import no_marts
from sluice.runs import lifecycle, logs, progress
from sluice.runs.outcomes import layers_of
from sluice.site import write
from sluice.warehouse.connection import look_into_warehouse, open_warehouse
from sluice.warehouse.engine import Capability
from sluice.warehouse.spark.connection import choice
from sluice.warehouse.warehouse import Warehouse

NEXT = "See the difference: sluice marts diff. Publish it: sluice marts publish"


def build(as_json: bool) -> None:
    """Build and test the candidate, with progress on the console."""
    progress.begin()
    if not logs.wanted():
        progress.listen(progress.ConsoleProgress(err))
    signal.signal(signal.SIGTERM, runs.terminate)
    warehouse = open_warehouse()
    lifecycle.ensure_tables(warehouse)
    with lifecycle.running(warehouse, "marts build"), warehouse.lock("dbt"), progress.step("dbt build") as step:
        built = building.build(
            warehouse, None, lambda done, total, node: step.say(f"{done}/{total} {node}", done, total)
        )
        step.say(f"{counted(len(built.run.nodes), 'node')} on {built.side}")
    layers = layers_of(built.run)
    compared = [str(mart) for mart in built.compared if mart.differs]
    if not built.models:
        err.print(f"Warning: {no_marts()}", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        print_json({**_of(built), "layers": [list(layer) for layer in layers], "compared": compared})
        return
    names = ("layer", "models", "tests", "warnings", "failed")
    rows = [dict(zip(names, map(str, layer), strict=True)) for layer in layers]
    print_table(f"dbt ({built.side}, tested)", rows, right=names[1:])
    for mart in compared:
        out.print(f"Marts: {mart}", markup=False, highlight=False)
    if built.models:
        out.print(NEXT, markup=False, highlight=False, soft_wrap=True)


def _of(built: Built) -> dict[str, Any]:
    return {"side": built.side, "build": built.build_id, "models": list(built.models)}


def diff(as_json: bool, markdown: bool) -> None:
    """The candidate against what readers have.

    Raises:
        ConfigError, DataError, ToolError: there is no candidate, or two forms are asked for at once.
    """
    one_form(markdown, as_json)
    choice.need(Capability.RUN)
    warehouse = look_into_warehouse()
    if warehouse is None:
        raise candidate.nothing_built()
    found = candidate.difference(warehouse)
    if as_json:
        print_json(found.as_dict())
    else:
        out.print(found.markdown() if markdown else str(found), markup=False, highlight=False, soft_wrap=True)


def publish(why: str, who: str | None, as_json: bool) -> None:
    """Give readers the candidate, and say what they have now.

    Raises:
        SluiceError: as `candidate.publish_passed`.
    """
    choice.need(Capability.RUN)
    warehouse = open_warehouse()
    with outbox.delivering(warehouse):  # what holds it back alerts the owners, and what readers get ends that
        try:
            built = candidate.publish_passed(warehouse, why.strip(), who)
        except candidate.WaitsForPerson as error:
            if as_json:
                held = error.held
                print_json({"side": held.side, "build": held.build, "models": [], "reasons": [*held.reasons]})
            raise
    if as_json:
        print_json({**_of(built), "reasons": []})
    else:
        said = f"Published: readers have {built.side}, build {built.build_id}.\n  marts: {', '.join(built.models)}"
        out.print(f"{said}\nGo back: sluice marts rollback", markup=False, highlight=False, soft_wrap=True)
    _renew_site(warehouse)


def _renew_site(warehouse: Warehouse) -> None:
    try:
        write.write(warehouse)
    except SluiceError as error:  # readers have their marts
        err.print(f"Warning: the site was not updated, the previous one is kept: {error}", markup=False, soft_wrap=True)


def rollback(as_json: bool) -> None:
    """Give readers the marts back that they had before, and say which."""
    choice.need(Capability.RUN)
    warehouse = open_warehouse()
    done = back.rollback(warehouse)
    if as_json:
        print_json(asdict(done))
    else:
        out.print(str(done), markup=False, highlight=False, soft_wrap=True)
    _renew_site(warehouse)

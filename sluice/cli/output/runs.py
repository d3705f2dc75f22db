"""Progress and summary of a run; the plan."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import sys
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sluice.alerts import downstream
from sluice.cli import exit_codes
from sluice.cli.output.tables import err, out, print_json, print_table
from sluice.contract.errors import SluiceError, ToolError
from sluice.contract.formatting import counted, folded, span
from sluice.ledger import builds
from sluice.ledger.reading import read_only
from sluice.project.datasets import contracts
from sluice.project.flows import call_flow
from sluice.project.paths import project
from sluice.runs import logs, preview, progress
from sluice.runs.outcomes import RunFailed, Summary, Verdict, rows_of
from sluice.server import temporary
from sluice.site import dbt_docs, serve, write
from sluice.source.addresses import hide
from sluice.steps import idle
from sluice.warehouse.connection import look_into_warehouse, open_warehouse
from sluice.warehouse.warehouse import Warehouse

FIRST_QUERY = "select * from {} order by 1 limit 10"


def run(datasets: list[str] | None, batches: list[str] | None, url: str | None, as_json: bool) -> None:
    """The nightly flow, with progress on the console and a summary at the end."""
    hidden = url and hide(url)
    given = {"datasets": datasets, "batches": batches, "url": hidden}

    def nightly() -> Summary:
        done = idle.run(datasets, batches, hidden)
        return _flow("nightly", "nightly", given) if done is None else done

    _follow(nightly, as_json)


def backfill(dataset: str, first: str, last: str, url: str | None, parallel: int, as_json: bool) -> None:
    """The backfill flow, shown as a run is."""
    given = {"dataset": dataset, "first": first, "last": last, "url": url and hide(url), "parallel": parallel}
    _follow(lambda: _flow("backfill", "backfill", given), as_json)


def replay(dataset: str, batch: str, as_json: bool) -> None:
    """The replay flow, shown as a run is."""
    _follow(lambda: _flow("corrections", "replay_batch", {"dataset": dataset, "batch": batch}), as_json)


def release(dataset: str, batch: str, why: str, who: str | None, as_json: bool) -> None:
    """The release flow, shown as a run is."""
    given = {"dataset": dataset, "batch": batch, "why": why, "who": who}
    _follow(lambda: _flow("corrections", "release_batch", given), as_json)


def _flow(file: str, name: str, given: Mapping[str, Any]) -> Summary:
    """The project's flow, called; what Prefect prints of it is less than it logs."""
    ready = temporary.start()  # takes as long as the imports, beside them
    import prefect.main  # noqa: F401 - sets up its console, 2 s: not for a command that needs no flow

    if logs.wanted():
        progress.begin()
    for handler in logging.getLogger().handlers:  # Prefect's console; what goes to its API is left whole
        handler.addFilter(logs.ToldOnce())
    summary: Summary = call_flow(file, name, given, ready)
    return summary


def _follow(flow: Callable[[], Summary], as_json: bool) -> None:
    if not logs.wanted():
        progress.listen(progress.ConsoleProgress(err))
    signal.signal(signal.SIGTERM, terminate)
    try:
        summary = flow()
    except RunFailed as failure:
        show_summary(failure.summary, as_json)
        raise
    show_summary(summary, as_json)


def terminate(*_: object) -> None:
    """Let a soft kill end the flow as Prefect's own runner does: queries cancelled, the run Crashed, an alert sent."""
    if "prefect.exceptions" not in sys.modules:
        raise exit_codes.Terminated
    from prefect.exceptions import TerminationSignal

    raise TerminationSignal(signal=signal.SIGTERM)


def show_summary(summary: Summary, as_json: bool) -> None:
    """The end of a run."""
    if as_json:
        print_json(summary.as_dict())
        return
    for warning in (*summary.warnings, *summary.stale, *summary.marts.warnings):
        if logs.wanted():
            logs.write("warning", warning)
        else:
            err.print(f"Warning: {warning}", markup=False, highlight=False, soft_wrap=True)
    if {summary.marts.verdict, *(outcome.verdict for outcome in summary.outcomes)} == {Verdict.UNCHANGED}:
        batches = len(summary.outcomes)
        out.print(f"\nNothing new: {batches} batch{'es' if batches > 1 else ''} checked, already published.")
        return
    print_table("Batches", rows_of(summary), right=("read", "accepted", "rejected", "share rejected"))
    if summary.marts.layers:
        names = ("layer", "models", "tests", "warnings", "failed")
        layers = [dict(zip(names, map(str, layer), strict=True)) for layer in summary.marts.layers]
        print_table(f"dbt ({summary.marts.side or 'not published'})", layers, right=names[1:])
    for compared in summary.marts.compared:
        out.print(f"Marts: {compared}", markup=False, highlight=False)
    for outcome in summary.outcomes:
        if outcome.blank_lines:
            blank = counted(outcome.blank_lines, "blank line")
            said = f"{outcome.dataset_id} {outcome.batch}: {blank} in the file, not counted as rows"
            out.print(said, markup=False, highlight=False)
        for warning in outcome.warnings:
            out.print(f"Warning: {outcome.dataset_id} {outcome.batch}: {warning}", markup=False, highlight=False)
    if summary.site:
        out.print(f"\nSite: {summary.site}", markup=False, highlight=False, soft_wrap=True)
    if summary.marts.verdict is Verdict.PUBLISHED:
        _next(summary)


def _next(summary: Summary) -> None:
    rejected = next((o for o in summary.outcomes if o.rejected), None)
    sluice = _program()
    lines = [
        "Try next:",
        f'  {sluice} sql "{FIRST_QUERY.format(_worth_a_look(summary))}"',
        *([f"  {sluice} quarantine show {rejected.dataset_id} {rejected.batch}"] if rejected else []),
        f"  {sluice} status",
        f"  {sluice} docs",
    ]
    out.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _worth_a_look(summary: Summary) -> str:
    """A mart that shows what this run published; before there is one, the rows themselves."""
    published = [each.dataset_id for each in summary.outcomes if each.verdict is Verdict.PUBLISHED]
    published = published or [summary.outcomes[0].dataset_id]
    with open_warehouse().engine.connect() as connection:
        marts = (downstream.last_mart_of(connection, contracts()[each]) for each in dict.fromkeys(published))
        mart = next(filter(None, marts), None)
    schemas = project().settings.schemas
    return f"{schemas.marts}.{mart}" if mart else f"{schemas.staging}.{published[0]}"


def _program() -> str:
    """What to type for this program: its name, or its path where it is on no PATH (as after `make run`)."""
    beside_python = Path(sys.executable).with_name("sluice")
    return "sluice" if shutil.which("sluice") or not beside_python.exists() else os.path.relpath(beside_python)


def docs(open_browser: bool, port: int | None) -> None:
    """Update the site and open it; with a port, serve it to this machine until Ctrl-C."""
    warehouse = read_only(look_into_warehouse())
    if warehouse is not None:
        _renew_docs(warehouse)
    page = write.write(warehouse)
    if port is None:
        out.print(f"Site: {page}", markup=False, highlight=False, soft_wrap=True)
        _open(page.as_uri(), open_browser)
        return
    with serve.server(page.parent, port) as server:
        address = f"http://{serve.ADDRESS}:{server.server_port}/"
        out.print(f"Site: {address} (this machine only; stop with Ctrl-C)", markup=False, highlight=False)
        _open(address, open_browser)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def _renew_docs(warehouse: Warehouse) -> None:
    side = builds.live_side(warehouse)
    if side is not None and not (dbt_docs.folder() / "index.html").exists():
        dbt_docs.write_docs(warehouse, side)
    try:
        dbt_docs.renew_tests(warehouse)
    except SluiceError as error:  # all else can be shown
        err.print(f"Warning: the site shows the tests of an older dbt project: {error}", markup=False, soft_wrap=True)


def _open(address: str, wanted: bool) -> None:
    if wanted and not webbrowser.open(address):
        out.print(f"No browser was found; open it yourself: {address}")


def plan(datasets: list[str] | None, batches: list[str] | None, url: str | None, as_json: bool) -> None:
    """What tonight's run would do.

    Raises:
        ToolError: after printing, if a source did not answer: then the plan is not whole.
    """
    foreseen = preview.foresee(datasets, batches, url)
    if as_json:
        print_json(foreseen.as_dict())
    else:
        _print_plan(foreseen)
    unknown = [batch for batch in foreseen.batches if batch.would is preview.Would.UNKNOWN]
    if unknown:
        names = ", ".join(f"{batch.dataset} {batch.batch}" for batch in unknown)
        raise ToolError(f"not known, because their source does not respond: {names}. Try again: sluice plan")


def _print_plan(foreseen: preview.Plan) -> None:
    quiet = (preview.Would.UNCHANGED, preview.Would.NOT_DELIVERED)
    groups = folded(foreseen.batches, lambda one: (one.dataset, one.would) if one.would in quiet else None)
    rows = [
        {
            "dataset": first.dataset,
            "batch": span([each.batch for each in (first, *others)]),
            "would": first.would.shown,
            "why": "\n".join(first.why),
            "checks": str(len(first.checks) or ""),
        }
        for first, *others in groups
    ]
    print_table("Plan", rows, right=("checks",))
    models = foreseen.models
    verb = f"dbt would build {models.size}" if models.build else "dbt would build nothing"
    out.print(f"Marts: {verb}: {models.why}.", markup=False, highlight=False, soft_wrap=True)

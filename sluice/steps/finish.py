"""The last step: freshness, the site, what Prefect shows of the run; then the exit code for the worst that happened."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from prefect.runtime import flow_run

from sluice.contract.errors import ConfigError
from sluice.project.paths import home
from sluice.runs import heartbeat, prefect_records, tasks
from sluice.runs.outcomes import EXPECTED, Marts, Outcome, Summary
from sluice.site import tasks as site_tasks
from sluice.steps import shown
from sluice.steps.run import Run, current
from sluice.warehouse.connection import open_warehouse


def finish(delivered: Sequence[Outcome], marts: Marts | None = None) -> Summary:
    """End the run: check the age of the sources, write the site, keep the summary, release every lock.

    Args:
        delivered: what `deliver` returned.
        marts: what `transform` returned.

    Raises:
        RunFailed: something was not published; its exit code is that of the worst.
    """
    run = current()
    if run.summary is None:
        summary = Summary(tuple(delivered), marts or run.marts or Marts.not_built(), warnings=_missing(run))
        run.summary = _finished(run, summary)
    run.summary.raise_worst()
    return run.summary


def close(run: Run) -> Summary:
    """The end of the flow's function: what it did not call is done or reported, and no failure is passed over.

    Raises:
        ConfigError: the flow called no step that delivers.
        RunFailed: as `finish`, also where the flow caught it.
    """
    if not run.begun:
        raise ConfigError(
            f"{run.where} called none of Sluice's steps, so nothing was loaded. Add: "
            "delivered = deliver(datasets, batches, url)"
        )
    if run.summary is None:
        line = f"{run.where} did not call finish(); it was done for it. Add as its last line: "
        warnings = (*_missing(run), line + "return finish(delivered, marts)")
        summary = Summary(tuple(run.delivered), run.marts or Marts.not_built(), warnings=warnings)
        run.summary = _finished(run, summary)
    run.summary.raise_worst()
    return run.summary


def _missing(run: Run) -> tuple[str, ...]:
    """A warning for each step that the flow left out, with the line to add."""
    if run.marts is not None:
        return ()
    return (
        f"{run.where} did not call transform(), so the marts were not built. Add before finish(): marts = transform()",
    )


def _finished(run: Run, summary: Summary) -> Summary:
    stale = stale_sources() if run.freshness else ()
    summary = browsable(replace(summary, stale=stale, warnings=(*summary.warnings, *shown.keys_lost())))
    prefect_records.keep(summary)
    run.held.close()
    if run.night:
        with suppress(OSError):  # then the monitor rings, as it should
            heartbeat.beat(home())
    return summary


def browsable(summary: Summary) -> Summary:
    """The summary with the site that shows it, or with a warning."""
    return shown.browsable(summary, lambda ended: site_tasks.write_site(ended, flow_run.get_id()))


def stale_sources() -> tuple[str, ...]:
    """The sources whose data is too old, one sentence each; their owners are alerted. Stops nothing."""
    try:
        with open_warehouse().lock("dbt"):
            return tuple(map(str, tasks.check_freshness(flow_run.get_id())))
    except EXPECTED as error:
        return (f"the age of the sources is not known: {error}",)

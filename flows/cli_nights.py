"""The commands of `sluice` for who looks after the nights: arguments in, one call."""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from contracts.errors import ToolError
from flows import logs
from flows.cli_quarantine import DatasetId, Json

DatasetIds = Annotated[list[str] | None, typer.Argument(help="Dataset ids; all if none.", show_default=False)]
Batches = Annotated[
    list[str] | None,
    typer.Option("--batch", "-b", help="Batch such as 2021-01; repeat for more. Those that are due if none."),
]
Url = Annotated[
    str | None,
    typer.Option(help="Path or address to take instead; {batch}, {dataset} and {entity} are filled in."),
]


class LogFormat(StrEnum):
    """How the lines on standard error are written while a flow runs."""

    text = "text"
    json = "json"


def _log_as(chosen: LogFormat | None) -> None:
    if chosen is not None:
        os.environ[logs.VARIABLE] = chosen.value


Logs = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format", callback=_log_as, help="Lines on standard error for people or, as JSON, for machines.",
        envvar=logs.VARIABLE, show_envvar=True, show_default=False,
    ),
]  # fmt: skip

app = typer.Typer(rich_markup_mode=None)


@app.command()
def plan(
    datasets: DatasetIds = None,
    batch: Batches = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show what `sluice run` with the same arguments would load, why, and what would be checked. Writes nothing.

    No file is fetched: one whose time changed while its bytes did not is shown as a load.
    """
    from flows import night

    night.plan(datasets or None, batch or None, url, as_json)


@app.command()
def heartbeat(
    max_age: Annotated[float, typer.Option(min=0, help="Hours that the last nightly run may lie back.")] = 26,
    as_json: Json = False,
) -> None:
    """Exit with 0 if a nightly run finished lately, else with 3 and one line: for a monitor outside.

    A nightly run is one by a deployment, or one of all datasets. It counts as finished whatever became of its batches:
    those are alerted. Needs neither Prefect's server nor the database.
    """
    from flows import heartbeat as beats
    from flows.home import home

    pulse = beats.pulse(home(), timedelta(hours=max_age))
    if as_json:
        finished = pulse.finished and pulse.finished.isoformat()
        typer.echo(json.dumps({"alive": pulse.alive, "finished_at": finished, "max_age_hours": max_age}))
    if not pulse.alive:
        raise ToolError(f"{pulse}. Look: sluice status; is `sluice up`, or your own scheduler, still running?")
    if not as_json:
        typer.echo(str(pulse))


@app.command()
def doctor(
    send: Annotated[bool, typer.Option("--send", help="Also send a test message through each channel.")] = False,
    as_json: Json = False,
) -> None:
    """Check the installation, and say what to do about each finding. Changes no data.

    Versions against the lock, disk, database rights and settings, clocks, the gate of each contract by canary rows,
    Prefect's server and who may use it, blocks and channels, the dbt project. Exits with 3 or 5 if anything fails.
    """
    from flows import night

    night.doctor(send, as_json)


@app.command()
def setup(
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: take values from the environment only.")
    ] = False,
    send: Annotated[bool, typer.Option("--send", help="Also send a test message through each channel.")] = False,
    as_json: Json = False,
) -> None:
    """Make and check the Prefect blocks that this deployment needs, and the automations. Call it as often as you like.

    Needed are the warehouse's block (named by SLUICE_WAREHOUSE), the notification blocks that contracts name, and the
    storage blocks that files come from. Values come from SLUICE_BLOCK_<NAME>_<VALUE>, or are asked for in a terminal;
    blocks made in Prefect's UI or CLI are only checked. docs/setup.md lists the variables.
    """
    from flows import night

    night.setup(not yes and not as_json and sys.stdin.isatty(), send, as_json)


@app.command()
def backfill(
    dataset: DatasetId,
    first: Annotated[str, typer.Option("--from", help="First month, such as 2019-01.")],
    last: Annotated[str, typer.Option("--to", help="Last month, itself included.")],
    url: Url = None,
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Files on their way at a time.")] = 2,
    as_json: Json = False,
    log_format: Logs = None,  # noqa: ARG001 - its callback does it
) -> None:
    """Load a range of months, then rebuild and publish the marts once. Killed, call it again: it goes on.

    Months that are published and unchanged are skipped. Files are fetched ahead; the months are loaded one after the
    other, for each is held against the one before it.
    """
    from flows import console

    console.backfill(dataset, first, last, url, parallel, as_json)

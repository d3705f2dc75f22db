"""run, backfill, plan, status, rollback, docs, sql."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.cli.options import Batches, DatasetId, DatasetIds, Json, Logs, Url

app = typer.Typer(rich_markup_mode=None)


@app.command()
def run(
    datasets: DatasetIds = None,
    batch: Batches = None,
    url: Url = None,
    log_format: Logs = None,  # noqa: ARG001 - its callback does it
    as_json: Json = False,
) -> None:
    """Load what is new, audit it, publish what passes the gate, then rebuild and publish the marts."""
    from sluice.cli.output import runs

    runs.run(datasets or None, batch or None, url, as_json)


@app.command()
def status(as_json: Json = False) -> None:
    """Show datasets, batches, verdicts and freshness, runs at work, open incidents."""
    from sluice.cli.output import status as shown

    shown.status(as_json)


@app.command(context_settings={"ignore_unknown_options": True})  # a file's SQL may begin with a comment: -- why
def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement.")],
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    write: Annotated[
        bool,
        typer.Option("--write", help="Let it change what it names, with the rights of runs, and commit."),
    ] = False,
    as_owner: Annotated[
        bool, typer.Option("--as-owner", help="Read as the user that runs use, even if that is a superuser.")
    ] = False,
) -> None:
    """Run one statement that reads, and print its rows.

    It is run by a user that may only read: sluice_reader of the embedded PostgreSQL, or that of the block which
    SLUICE_READER names. Without one, the user that runs use reads, unless it is a superuser.
    """
    from sluice.cli.output.query import show

    show(query, "json" if as_json else "csv" if as_csv else "table", write, as_owner)


@app.command()
def rollback(as_json: Json = False) -> None:
    """Give readers the marts back that they had before the last publish, in one step; say what came back.

    Raw batches in `staging` stay as they are, and the next run builds and publishes the marts anew.
    """
    from sluice.cli.output import runs

    runs.rollback(as_json)


@app.command()
def docs(
    no_open: Annotated[bool, typer.Option("--no-open", help="Only write the site and say where it is.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Serve it to this machine until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 takes a free one.")] = 8010,
) -> None:
    """Make the site anew and open it: batches, checks, quarantine, lineage, dbt docs."""
    from sluice.cli.output import runs

    runs.docs(open_browser=not no_open, port=port if serve else None)


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
    from sluice.cli.output import runs

    runs.plan(datasets or None, batch or None, url, as_json)


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
    from sluice.cli.output import runs

    runs.backfill(dataset, first, last, url, parallel, as_json)

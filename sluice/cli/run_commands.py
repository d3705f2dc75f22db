"""run, backfill, plan, status, rollback, docs, sql, connect."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.cli import exit_codes
from sluice.cli.options import Batches, DatasetId, DatasetIds, Json, Logs, Url

app = typer.Typer(rich_markup_mode=None)


@app.command()
def run(
    datasets: DatasetIds = None,
    batch: Batches = None,
    url: Url = None,
    watch: Annotated[
        float | None, typer.Option(min=1, help="Run for new files until Ctrl-C, with so many seconds between looks.")
    ] = None,
    log_format: Logs = None,  # noqa: ARG001 - its callback does it
    as_json: Json = False,
) -> None:
    """Load what is new, audit it, publish what passes the gate, then rebuild and publish the marts.

    With --watch, a file is taken when two looks in a row find it unchanged: one that is still being written waits.
    A held file is not taken again before it changes.
    """
    if watch is not None:
        if batch or as_json:
            raise typer.BadParameter(
                "--watch takes every new file, and prints what each run prints: leave out the rest"
            )
        from sluice.server import watch as watching

        raise typer.Exit(
            exit_codes.until_stopped(
                lambda: watching.watch(
                    datasets or None, url, watch, lambda said: typer.echo(f"sluice: {said}", err=True)
                )
            )
        )
    from sluice.cli.output import runs

    runs.run(datasets or None, batch or None, url, as_json)


@app.command()
def status(
    every: Annotated[
        bool, typer.Option("--all", help="Show every batch, not only the newest 30 of a dataset.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show datasets, batches, verdicts and freshness, runs in progress, open incidents.

    Of a dataset with many batches the newest 30 are shown, and each older one that is not published. JSON has all.
    """
    from sluice.cli.output import status as shown

    shown.status(as_json, every)


@app.command(context_settings={"ignore_unknown_options": True})  # a file's SQL may begin with a comment: -- why
def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement.")],
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Print long values whole, as without a terminal.")] = False,
    write: Annotated[
        bool,
        typer.Option("--write", help="Allow changes, with the rights of runs, and commit them."),
    ] = False,
    as_owner: Annotated[
        bool, typer.Option("--as-owner", help="Query as the user that runs use, even if it is a superuser.")
    ] = False,
) -> None:
    """Run a query and print its rows: as a table, or with one value a line where that is wider than the terminal.

    The query runs as a read-only user: sluice_reader of the embedded PostgreSQL, or the user of the block named by
    SLUICE_READER. Without one, it runs as the user that runs use, unless that is a superuser.
    """
    from sluice.cli.output.query import show

    show(query, "json" if as_json else "csv" if as_csv else "table", write, as_owner, full)


@app.command()
def connect(
    psql: Annotated[bool, typer.Option("--psql", help="Open psql instead of printing.")] = False,
    jdbc: Annotated[bool, typer.Option("--jdbc", help="Print the URL as JDBC takes it.")] = False,
    env: Annotated[bool, typer.Option("--env", help="Print lines for a shell: export PGHOST=...")] = False,
    as_json: Json = False,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port of the embedded PostgreSQL from now on; 0 for a free one.", show_default=False
        ),
    ] = None,
    show_password: Annotated[
        bool, typer.Option("--show-password", help="Show the password of the block named by SLUICE_READER.")
    ] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Keep the embedded PostgreSQL running until Ctrl-C.")] = False,
) -> None:
    """Print the URL by which other programs read the warehouse: BI tools, notebooks, JDBC.

    The embedded PostgreSQL listens on 127.0.0.1 from the first call on, at a port that is kept, and accepts only
    sluice_reader there, with a generated password. For another server, the block named by SLUICE_READER is printed.
    """
    from sluice.cli.output import query

    if psql:
        from sluice.warehouse import reach

        raise typer.Exit(3 if reach.psql() else 0)
    form = "json" if as_json else "jdbc" if jdbc else "env" if env else "url"
    if serve:
        raise typer.Exit(exit_codes.until_stopped(lambda: query.connect(form, port, show_password, serve)))
    query.connect(form, port, show_password, serve)


@app.command()
def rollback(as_json: Json = False) -> None:
    """Return readers to the marts before the last publish, in one step, and show what changes.

    Batches in `staging` are not changed. The next run rebuilds and publishes the marts.
    """
    from sluice.cli.marts import shown

    shown.rollback(as_json)


@app.command()
def docs(
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Write the site and print its path, without opening it.")
    ] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Serve the site to this machine until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 for a free one.")] = 8010,
) -> None:
    """Update the site and open it: batches, checks, quarantine, lineage, dbt docs."""
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
    first: Annotated[str, typer.Option("--from", help="First batch, such as 2019-01 or 2019-01-31.")],
    last: Annotated[str, typer.Option("--to", help="Last batch (inclusive).")],
    url: Url = None,
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Files to fetch at a time.")] = 2,
    as_json: Json = False,
    log_format: Logs = None,  # noqa: ARG001 - its callback does it
) -> None:
    """Load a range of batches, then rebuild and publish the marts once. If interrupted, call it again to resume.

    Batches that are published and unchanged are skipped. Files are fetched in advance; the batches are loaded one
    after the other, because each is compared with the one before it.
    """
    from sluice.cli.output import runs

    runs.backfill(dataset, first, last, url, parallel, as_json)

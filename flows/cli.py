"""`sluice ...`: arguments in, one call, exit code out. What the commands do is in the other modules."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from flows import cli_nights, ending, logs
from flows.cli_alerts import alerts_app
from flows.cli_nights import Batches, DatasetIds, Logs, Url
from flows.cli_quarantine import Json, quarantine_app
from flows.home import make_prefect_home

# Before Prefect is imported: its logs go to the API as ever, but a person at this console is shown the
# progress and the summary instead, and only warnings from the logs.
os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")
# As prefect.toml says for this folder; a run may be started in another one.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
# Nobody is told of this installation; and the attempt fails aloud while a new server makes its database.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")  # the client's side of it; else it tells who types that it collects data
# A temporary server need not offer the block types of every installed package: importing them takes it 8 s.
for setting in ("PREFECT_API_BLOCKS_REGISTER_ON_START", "PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION"):
    os.environ.setdefault(setting, "false")

VERSIONS = ("sluice", "prefect", "dbt-core", "dbt-postgres", "pandera", "pandas", "SQLAlchemy", "psycopg2-binary")
EXIT_CODES = """Exit codes: 0 published or nothing to do, 2 held or refused because of the data, 3 a tool failed
(network, database, dbt), 4 another run is at work, 5 the call or the configuration is wrong."""


def _versions(wanted: bool) -> None:
    if wanted:
        typer.echo("\n".join(f"{name:<15} {version(name)}" for name in VERSIONS))
        raise typer.Exit


app = typer.Typer(
    name="sluice",
    help="Load raw files into PostgreSQL, publish only what keeps its contract, transform it with dbt.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_nights.app)
WITH_PREFECT = {"run", "backfill", "setup", "doctor", "quarantine", "alerts"}  # commands that ask its API


@app.callback()
def begin(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", is_eager=True, callback=_versions, help="Show the versions, and end.")
    ] = False,
) -> None:
    """What comes before every command."""
    logs.let_services_end_quietly()
    if context.invoked_subcommand in WITH_PREFECT:
        make_prefect_home()


@app.command()
def run(
    datasets: DatasetIds = None,
    batch: Batches = None,
    url: Url = None,
    log_format: Logs = None,  # noqa: ARG001 - its callback does it
    as_json: Json = False,
) -> None:
    """Load what is new, audit it, publish what passes the gate, then rebuild and publish the marts."""
    from flows import console

    console.run(datasets or None, batch or None, url, as_json)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path(".sluice/demo"),
    rows: Annotated[int, typer.Option(min=1, help="Trips a month.")] = 100_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same files.")] = 2019,
) -> None:
    """Make two months of yellow trips, dirt included, and the zones, in the shape of TLC's files."""
    from flows import demo as files

    for path in files.make(folder, files.MONTHS, rows, seed):
        typer.echo(f"{path}  {path.stat().st_size:,} bytes")


@app.command()
def status(as_json: Json = False) -> None:
    """Show datasets, batches, verdicts and freshness, runs at work, open incidents."""
    from flows import browse

    browse.status(as_json)


@app.command(context_settings={"ignore_unknown_options": True})  # a file's SQL may begin with a comment: -- why
def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement.")],
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Let it change what it names, and commit.")] = False,
) -> None:
    """Run a query in the warehouse, read-only unless told otherwise, and print its rows."""
    from flows.query import show

    show(query, "json" if as_json else "csv" if as_csv else "table", write)


@app.command()
def rollback(as_json: Json = False) -> None:
    """Give readers the marts back that they had before the last publish, in one step; say what came back.

    Raw batches in `staging` stay as they are, and the next run builds and publishes the marts anew.
    """
    from flows import console

    console.rollback(as_json)


@app.command()
def docs(
    no_open: Annotated[bool, typer.Option("--no-open", help="Only write the site and say where it is.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Serve it to this machine until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 takes a free one.")] = 8010,
) -> None:
    """Make the site anew and open it: batches, checks, quarantine, lineage, dbt docs."""
    from flows import console

    console.docs(open_browser=not no_open, port=port if serve else None)


@app.command()
def new(
    source: Annotated[str, typer.Argument(help="Provider of the files, such as tlc.")],
    entity: Annotated[str, typer.Argument(help="What a file holds, such as yellow_trips.")],
    sample: Annotated[str, typer.Option("--from", help="A file of it: CSV (plain, gzip, zstd) or Parquet.")],
    monthly: Annotated[
        str | None, typer.Option(help="The month the sample is of, such as 2024-01, if there is a file a month.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="The timestamp column, by its new name, that dates rows.")] = None,
    owner: Annotated[str, typer.Option(help="Who is told when the gate closes.")] = "you@example.com",
) -> None:
    """Draft a new dataset from a sample file: contract, staging model, example rows."""
    from flows import new as drafts

    drafts.new(source, entity, sample, monthly, by, owner)


@app.command()
def derive(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file is stale.")] = False,
) -> None:
    """Write the files that are derived from the contracts: dbt sources, dictionary, ODCS, DDL."""
    from flows import console

    console.derive(check)


@app.command()
def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port of the Prefect server's UI; without it 4200, or a free one if taken."
        ),
    ] = None,
    cron: Annotated[str | None, typer.Option(help="Schedule instead of the one in prefect.yaml.")] = None,
) -> None:
    """Start a Prefect server with its UI and serve the nightly deployment until Ctrl-C."""
    from flows import stopping

    def serve() -> int:
        from flows import server
        from flows.warehouse import home, start_embedded

        alerts = {"sender of alerts": ["-m", "flows.cli", "alerts", "send", "--watch", "30"]}
        return server.up(home(), host=host, port=port, cron=cron, prepare=start_embedded, beside=alerts)

    raise typer.Exit(stopping.until_told(serve))


contract_app = typer.Typer(help="Look at contracts.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(contract_app, name="contract")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(alerts_app, name="alerts")


@contract_app.command("show")
def contract_show(dataset: Annotated[str, typer.Argument(help="Dataset id.")], as_json: Json = False) -> None:
    """Show a contract: columns, and every check with the way it runs and its SQL."""
    from flows import browse

    browse.contract(dataset, as_json)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit; a user's mistake is one message, not a traceback."""
    ending.end(lambda: app(arguments, standalone_mode=False))  # the code of a typer.Exit comes back as a value


if __name__ == "__main__":
    main()

"""up, setup, doctor, heartbeat, backup, restore."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from sluice.cli.options import Json
from sluice.contract.errors import ToolError

app = typer.Typer(rich_markup_mode=None)


@app.command()
def heartbeat(
    max_age: Annotated[float, typer.Option(min=0, help="Maximum age of the last nightly run, in hours.")] = 26,
    as_json: Json = False,
) -> None:
    """Exit with 0 if a nightly run finished recently, else with 3 and one line. For an external monitor.

    A nightly run is one by a deployment, or one of all datasets. It counts as finished whether or not its
    batches were published. Needs neither Prefect's server nor the database.
    """
    from sluice.project.paths import home
    from sluice.runs import heartbeat as beats

    pulse = beats.pulse(home(), timedelta(hours=max_age))
    if as_json:
        finished = pulse.finished and pulse.finished.isoformat()
        typer.echo(json.dumps({"alive": pulse.alive, "finished_at": finished, "max_age_hours": max_age}))
    if not pulse.alive:
        raise ToolError(f"{pulse}. Check sluice status; is `sluice up`, or your own scheduler, still running?")
    if not as_json:
        typer.echo(str(pulse))


@app.command()
def doctor(
    send: Annotated[bool, typer.Option("--send", help="Also send a test message through each channel.")] = False,
    as_json: Json = False,
) -> None:
    """Check the installation, and show how to fix each problem. Changes no data.

    Versions against the lock, disk, database rights and settings, clocks, the gate of each contract by canary rows,
    Prefect's server and its access, blocks and channels, the dbt project; Java, jars and the lake of an engine that is
    Spark. Exits with 3 or 5 if anything fails.
    """
    from sluice.cli.output import doctor as output

    output.doctor(send, as_json)


@app.command()
def setup(
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not prompt: take values from the environment only.")
    ] = False,
    send: Annotated[bool, typer.Option("--send", help="Also send a test message through each channel.")] = False,
    roles: Annotated[
        bool, typer.Option("--roles", help="Instead, separate the users that load, transform and read.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --roles: print the statements, and change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Create and check the Prefect blocks and automations that this deployment needs. Can be repeated at any time.

    Needed are the warehouse's block (named by SLUICE_WAREHOUSE), that of Spark where it is the engine, the notification
    blocks that contracts name, and the storage blocks that files come from. Values come from
    SLUICE_BLOCK_<NAME>_<VALUE>, or from prompts in a terminal;
    blocks made in Prefect's UI or CLI are only checked. docs/setup.md lists the variables.
    """
    from sluice.cli.output import doctor as output

    ask = not yes and not as_json and sys.stdin.isatty()
    if dry_run and not roles:
        raise typer.BadParameter("--dry-run belongs to --roles: sluice setup --roles --dry-run")
    if roles:
        output.separate_users(ask, dry_run, as_json)
    else:
        output.setup(ask, send, as_json)


@app.command()
def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port of the Prefect server's UI; default 4200, or a free one if it is in use."
        ),
    ] = None,
    cron: Annotated[str | None, typer.Option(help="Schedule instead of the one in prefect.yaml.")] = None,
) -> None:
    """Start a Prefect server with its UI and serve the nightly deployment until Ctrl-C."""
    from sluice.cli import exit_codes

    def serve() -> int:
        from sluice.project.paths import home
        from sluice.server import up as server
        from sluice.warehouse.connection import start_embedded

        alerts = {"sender of alerts": ["-m", "sluice", "alerts", "send", "--watch", "30"]}
        return server.up(home(), host=host, port=port, cron=cron, prepare=start_embedded, beside=alerts)

    raise typer.Exit(exit_codes.until_stopped(serve))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="File to write; an older one of this name is replaced.")],
    as_json: Json = False,
) -> None:
    """Write the whole warehouse into one file: batches, quarantine, ledger, marts, as of one moment.

    For the embedded PostgreSQL and for external servers. The file is there whole or not at all, readable by its owner
    only. Best made when no run is in progress: a run that replaces a table waits for the backup.
    """
    from sluice.cli.output import upkeep

    upkeep.backup(file, as_json)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="File that `sluice backup` wrote.")],
    no_grants: Annotated[
        bool, typer.Option("--no-grants", help="Leave out the rights of other users; their roles may be missing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fill an empty warehouse with what a backup holds, in one transaction. Refused if it holds data.

    It may be another kind of server, and another major version, than the one that was backed up.
    """
    from sluice.cli.output import upkeep

    upkeep.restore(file, not no_grants, as_json)

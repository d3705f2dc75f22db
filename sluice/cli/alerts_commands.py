"""`sluice alerts ...`: the open incidents, and the sending of what is due."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.cli.options import Json

alerts_app = typer.Typer(help="Show open incidents; send the alerts that are due.", rich_markup_mode=None)


@alerts_app.callback(invoke_without_command=True)
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show the open incidents, and messages that no channel has taken yet."""
    if context.invoked_subcommand is None:
        from sluice.cli.output import alerts

        alerts.alerts(as_json)


@alerts_app.command()
def send(
    watch: Annotated[
        float | None, typer.Option(min=1, help="Go on until Ctrl-C, looking again after so many seconds.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send what is due now: new alerts, daily reminders, and what a channel did not take before.

    Runs do this themselves, and `sluice up` does it all the time. Where neither is always there, call it from cron
    every few minutes, so that a channel that was down is tried again and a missed night is noticed. Exits with 3 if a
    message could not be sent; with --watch, with 0 on Ctrl-C.
    """
    from sluice.cli.output import alerts

    if watch is None:
        alerts.send_alerts(as_json)
    else:
        alerts.keep_sending(watch)


@alerts_app.command()
def close(incident: Annotated[int, typer.Argument(help="Its number, as `sluice alerts` shows it.")]) -> None:
    """Close an incident that nothing will close by itself, such as a month that will never be mended. Tells nobody."""
    from sluice.cli.output import alerts

    alerts.close_incident(incident)

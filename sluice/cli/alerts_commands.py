"""`sluice alerts ...`: the open incidents, and the sending of what is due."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.cli.options import Json

alerts_app = typer.Typer(help="Show open incidents; send the alerts that are due.", rich_markup_mode=None)


@alerts_app.callback(invoke_without_command=True)
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show open incidents, and messages that are not delivered yet."""
    if context.invoked_subcommand is None:
        from sluice.cli.output import alerts

        alerts.alerts(as_json)


@alerts_app.command()
def send(
    watch: Annotated[
        float | None, typer.Option(min=1, help="Repeat until Ctrl-C, with so many seconds between checks.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send what is due now: new alerts, daily reminders, and messages that failed before.

    Runs and `sluice up` do this automatically. If `sluice up` does not run all the time, call it from cron
    every few minutes, so that a channel that was down is tried again and a missed night is noticed. Exits with 3 if a
    message could not be sent; with --watch, with 0 on Ctrl-C.
    """
    from sluice.cli.output import alerts

    if watch is None:
        alerts.send_alerts(as_json)
    else:
        alerts.keep_sending(watch)


@alerts_app.command()
def close(
    incident: Annotated[int, typer.Argument(help="Number of the incident, as shown by `sluice alerts`.")],
    who: Annotated[
        str | None, typer.Option(help="Who decided; the current user if omitted.", show_default=False)
    ] = None,
) -> None:
    """Close an incident that will not be resolved, such as a month that will not be corrected. Sends no message."""
    from sluice.cli.output import alerts

    alerts.close_incident(incident, who)

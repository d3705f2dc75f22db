"""The commands of `sluice` for who looks after the nights: arguments in, one call."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli_quarantine import Json

DatasetIds = Annotated[list[str] | None, typer.Argument(help="Dataset ids; all if none.", show_default=False)]

app = typer.Typer(rich_markup_mode=None)


@app.command()
def plan(
    datasets: DatasetIds = None,
    batch: Annotated[
        list[str] | None,
        typer.Option("--batch", "-b", help="Batch such as 2021-01; repeat for more. Those that are due if none."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Look at this path or address instead; {batch}, {dataset} and {entity} are filled in."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what `sluice run` with the same arguments would load, why, and what would be checked. Writes nothing.

    No file is fetched: one whose time changed while its bytes did not is shown as a load.
    """
    from flows import night

    night.plan(datasets or None, batch or None, url, as_json)

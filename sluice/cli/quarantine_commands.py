"""quarantine list, show, export, replay, release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sluice.cli.options import BatchName, DatasetId, Json

quarantine_app = typer.Typer(
    help="Look at rejected rows and held batches, and let them in.", no_args_is_help=True, rich_markup_mode=None
)


@quarantine_app.command("list")
def quarantine_list(
    datasets: Annotated[list[str] | None, typer.Argument(help="Dataset ids; all if none.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """List the loads that have rejected rows, and those that are held."""
    from sluice.cli.output import quarantine

    quarantine.quarantined(datasets or None, as_json)


@quarantine_app.command("export")
def quarantine_export(
    dataset: Annotated[str, typer.Argument(help="Dataset id.")],
    batch: Annotated[str | None, typer.Argument(help="Batch; all of them if none.", show_default=False)] = None,
    to: Annotated[Path, typer.Option(help="File to write: .csv or .jsonl.")] = Path("quarantine.csv"),
) -> None:
    """Write rejected rows into a file, each with every check it failed; personal data masked."""
    from sluice.cli.output import quarantine

    quarantine.export(dataset, batch, to)


@quarantine_app.command("replay")
def quarantine_replay(dataset: DatasetId, batch: BatchName, as_json: Json = False) -> None:
    """Load a batch again from its own rows and its quarantine, under the contract as it is now.

    What passes now is published; the rest stays in quarantine. The marts follow.
    """
    from sluice.cli.output import runs

    runs.replay(dataset, batch, as_json)


@quarantine_app.command("release")
def quarantine_release(
    dataset: DatasetId,
    batch: BatchName,
    why: Annotated[str, typer.Option(help="Why it may be published although its gate is closed.")],
    who: Annotated[str | None, typer.Option(help="Who says so; you if not given.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Publish the accepted rows of a held batch on a person's word. The marts follow."""
    from sluice.cli.output import runs

    runs.release(dataset, batch, why, who, as_json)


@quarantine_app.command("show")
def quarantine_show(
    dataset: Annotated[str, typer.Argument(help="Dataset id.")],
    batch: Annotated[str, typer.Argument(help="Batch, such as 2021-01.")],
    limit: Annotated[int, typer.Option(min=1, help="Rows to show of each reason.")] = 3,
    as_json: Json = False,
) -> None:
    """Show why rows of a batch were rejected, and some of them."""
    from sluice.cli.output import quarantine

    quarantine.quarantine(dataset, batch, limit, as_json)

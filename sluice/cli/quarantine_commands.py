"""quarantine list, show, export, replay, release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sluice.cli.options import BatchName, DatasetId, Json

quarantine_app = typer.Typer(
    help="Show, replay and release rejected rows and held batches.", no_args_is_help=True, rich_markup_mode=None
)


@quarantine_app.command("list")
def quarantine_list(
    datasets: Annotated[
        list[str] | None, typer.Argument(help="Dataset ids; all if omitted.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """List the loads that have rejected rows, and those that are held."""
    from sluice.cli.output import quarantine

    quarantine.quarantined(datasets or None, as_json)


@quarantine_app.command("export")
def quarantine_export(
    dataset: Annotated[str, typer.Argument(help="Dataset id.")],
    batch: Annotated[str | None, typer.Argument(help="Batch; all if omitted.", show_default=False)] = None,
    to: Annotated[Path, typer.Option(help="File to write, ending in .csv or .jsonl.")] = Path("quarantine.csv"),
) -> None:
    """Write rejected rows to a file, with every check that each failed; personal data is masked."""
    from sluice.cli.output import quarantine

    quarantine.export(dataset, batch, to)


@quarantine_app.command("replay")
def quarantine_replay(dataset: DatasetId, batch: BatchName, as_json: Json = False) -> None:
    """Load a batch again from its own rows and its quarantine, under the contract as it is now.

    Rows that pass now are published; the others stay in quarantine. The marts are rebuilt.
    """
    from sluice.cli.output import runs

    runs.replay(dataset, batch, as_json)


@quarantine_app.command("release")
def quarantine_release(
    dataset: DatasetId,
    batch: BatchName,
    why: Annotated[str, typer.Option(help="Reason for publishing it although its gate is closed.")],
    who: Annotated[
        str | None, typer.Option(help="Who decided; the current user if omitted.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish the accepted rows of a held batch by manual override. The marts are rebuilt."""
    from sluice.cli.output import runs

    runs.release(dataset, batch, why, who, as_json)


@quarantine_app.command("show")
def quarantine_show(
    dataset: Annotated[str, typer.Argument(help="Dataset id.")],
    batch: Annotated[str, typer.Argument(help="Batch, such as 2021-01.")],
    limit: Annotated[int, typer.Option(min=1, help="Rows to show for each reason.")] = 3,
    as_json: Json = False,
) -> None:
    """Show why rows of a batch were rejected, and some of them."""
    from sluice.cli.output import quarantine

    quarantine.quarantine(dataset, batch, limit, as_json)

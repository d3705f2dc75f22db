"""new, derive, contract show, demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sluice.cli.options import Json

app = typer.Typer(rich_markup_mode=None)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path(".sluice/demo"),
    rows: Annotated[int, typer.Option(min=1, help="Trips a month.")] = 100_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same files.")] = 2019,
) -> None:
    """Make two months of yellow trips, dirt included, and the zones, in the shape of TLC's files."""
    from sluice.demo import files

    for path in files.make(folder, files.MONTHS, rows, seed):
        typer.echo(f"{path}  {path.stat().st_size:,} bytes")


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
    from sluice.cli import new_dataset

    new_dataset.new(source, entity, sample, monthly, by, owner)


@app.command()
def derive(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file is stale.")] = False,
) -> None:
    """Write the files that are derived from the contracts: dbt sources, dictionary, ODCS, DDL."""
    from sluice.cli.output import contracts

    contracts.derive(check)


contract_app = typer.Typer(help="Look at contracts.", no_args_is_help=True, rich_markup_mode=None)


@contract_app.command("show")
def contract_show(dataset: Annotated[str, typer.Argument(help="Dataset id.")], as_json: Json = False) -> None:
    """Show a contract: columns, and every check with the way it runs and its SQL."""
    from sluice.cli.output import contracts

    contracts.contract(dataset, as_json)

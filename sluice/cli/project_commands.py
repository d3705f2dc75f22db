"""init, derive, demo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the project; created if missing.")] = Path(),
    example: Annotated[
        str | None, typer.Option(help="Include an example: taxi (New York taxi trips with their marts).")
    ] = None,
) -> None:
    """Write a project: contracts, flows, dbt project, profiles, deployment. Overwrites nothing.

    In a folder that has files, only missing files are added.
    """
    from sluice.project.init.write import init as write

    written = write(folder, example)
    for path in written.wrote:
        typer.echo(f"wrote {path}")
    for path in written.left:
        typer.echo(f"kept  {path} (it already exists)")
    there = f"cd {os.path.relpath(written.root)} && " if written.root != Path.cwd() else ""
    following = "sluice demo" if example else "sluice new SOURCE ENTITY --from FILE && sluice run"
    typer.echo(f"\nNext: {there}{following}")


@app.command()
def demo(
    folder: Annotated[Path | None, typer.Option(help="Folder for the files; default .sluice/demo.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Trips a month.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Seed of the random data; the same seed gives the same files.")] = 2019,
) -> None:
    """Generate the last two complete months of yellow trips and the zones in TLC's format, with realistic errors."""
    from sluice.demo import files
    from sluice.project.paths import home

    place = folder or home() / "demo"
    for path in files.make(place, files.last_months(), rows, seed):
        typer.echo(f"{path}  {path.stat().st_size:,} bytes")
    typer.echo(f"\nNext: sluice run tlc__yellow_trips tlc__zones --url '{place}/{{entity}}_{{batch}}.parquet'")


@app.command()
def derive(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file is stale.")] = False,
) -> None:
    """Write the derived files: dbt sources, dictionary, ODCS and DDL of each contract, and Sluice's macros."""
    from sluice.cli.output import contracts

    contracts.derive(check)

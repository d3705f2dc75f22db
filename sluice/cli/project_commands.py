"""init, derive, demo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sluice.project.init.write import Written

app = typer.Typer(rich_markup_mode=None)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the project; created if missing.")] = Path(),
    example: Annotated[
        str | None, typer.Option(help="Include an example: taxi (New York taxi trips with their marts).")
    ] = None,
    dbt: Annotated[
        Path | None,
        typer.Option("--dbt", help="Folder of a dbt project on PostgreSQL, to publish its marts.", show_default=False),
    ] = None,
    patch: Annotated[
        bool, typer.Option("--patch", help="With --dbt: change the line of generate_schema_name that is shown.")
    ] = False,
) -> None:
    """Write a project: contracts, flows, dbt project, profiles, deployment. Overwrites nothing.

    In a folder that has files, only missing files are added. With --dbt, only what `sluice marts` needs is added.
    """
    if (dbt is not None and example is not None) or (patch and dbt is None):
        raise typer.BadParameter("--dbt has no --example, and --patch needs --dbt")
    if dbt is not None:
        _beside_dbt(folder, dbt, patch)
        return
    from sluice.project.init.write import init as write

    written = write(folder, example)
    _show(written)
    there = f"cd {os.path.relpath(written.root)} && " if written.root != Path.cwd() else ""
    following = "sluice demo" if example else "sluice new SOURCE ENTITY --from FILE && sluice run"
    typer.echo(f"\nNext: {there}{following}")


def _beside_dbt(folder: Path, dbt: Path, patch: bool) -> None:
    from sluice.project.init import beside_dbt

    written, found = beside_dbt.init(folder, dbt, patch=patch)
    _show(written)
    if found is not None:
        said = (
            "changed"
            if found.applied
            else "\nThe project's generate_schema_name must give way to Sluice's, which calls it"
        )
        typer.echo(f"{said}:\n{found.shown(written.root)}")
    waits = found is not None and not found.applied
    typer.echo("\nNext: " + ("apply it: add --patch to this command" if waits else "sluice marts build"))


def _show(written: Written) -> None:
    for path in written.wrote:
        typer.echo(f"wrote {path}")
    for path in written.left:
        typer.echo(f"kept  {path} (it already exists)")


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

"""marts build, diff, publish, rollback."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.cli.options import Json, Logs

marts_app = typer.Typer(
    help="Build the marts beside what readers have, compare, publish and roll back. Needs no dataset.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@marts_app.command()
def build(
    log_format: Logs = None,  # noqa: ARG001 - its callback does it
    as_json: Json = False,
) -> None:
    """Build and test the candidate with dbt. Readers see nothing of it.

    The candidate is the side that readers do not have. If a test fails, it stays for inspection.
    """
    from sluice.cli.marts import shown

    shown.build(as_json)


@marts_app.command()
def diff(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, as for a comment.")] = False,
    as_json: Json = False,
) -> None:
    """Compare the candidate with what readers have: rows, keys, columns, samples; personal data is masked.

    Rows are compared by a key: columns with a `unique` test or a primary key. Without one, whole rows are compared.
    """
    from sluice.cli.marts import shown

    shown.diff(as_json, markdown)


@marts_app.command()
def publish(
    why: Annotated[
        str, typer.Option("--why", help="Publish what [marts] gate would hold, for this reason.", show_default=False)
    ] = "",
    who: Annotated[
        str | None,
        typer.Option("--who", help="Who decided; the user of the operating system if omitted.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Give readers the tested candidate, in one transaction. Builds and tests nothing.

    What changed more than [marts] gate in sluice.toml allows is held, until a person gives a reason.
    """
    from sluice.cli.marts import shown

    shown.publish(why, who, as_json)


@marts_app.command()
def rollback(as_json: Json = False) -> None:
    """Return readers to the marts before the last publish, in one step: the same as `sluice rollback`."""
    from sluice.cli.marts import shown

    shown.rollback(as_json)

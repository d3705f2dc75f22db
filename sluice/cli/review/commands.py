"""`sluice diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.cli.options import Json

app = typer.Typer(rich_markup_mode=None)


@app.command()
def diff(
    base: Annotated[
        str | None,
        typer.Option("--base", help="Branch or commit to compare with; the main branch if omitted.", metavar="REF"),
    ] = None,
    batches: Annotated[int, typer.Option(min=1, help="Last batches of each changed contract that are judged.")] = 3,
    max_rejected: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of a batch's rows that may be rejected where more are than before, such as 0.01; without it, "
            "the contract's own gate decides.",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        bool, typer.Option("--models/--no-models", help="Whether to build and compare the models that changed.")
    ] = True,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave what was built in the schema marts__diff, until the next time.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, as for a comment.")] = False,
    as_json: Json = False,
) -> None:
    """Show what the project's files change against a commit, as in a pull request.

    Contracts: what differs, whom it breaks, and how many rows of the last batches would be rejected. Models: what is
    new or changed, and all downstream, built beside the marts and compared with them. Readers see nothing of it. Exit
    code 0 if nothing is over a threshold, 2 if something is.
    """
    from sluice.cli.review import shown
    from sluice.review.review import ReviewRequest

    shown.diff(ReviewRequest(base, batches, max_rejected, models, keep), markdown, as_json)

"""What `diff` does and prints."""

from __future__ import annotations

from sluice.cli.output.tables import out, print_json
from sluice.contract.errors import DataError
from sluice.review import review, shown


def diff(base: str | None, batches: int, max_rejected: float | None, markdown: bool, as_json: bool) -> None:
    """Compare, print, and end.

    Raises:
        DataError: after printing, if something is over a threshold.
    """
    found = review.of_project(base, batches, max_rejected)
    if as_json:
        print_json(found.as_dict())
    else:
        said = shown.markdown(found) if markdown else shown.text(found)
        out.print(said, markup=False, highlight=False, soft_wrap=True)
    if found.reasons:
        raise DataError("\n  ".join(["this change is over a threshold:", *found.reasons]))

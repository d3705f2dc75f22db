"""What `diff` does and prints."""

from __future__ import annotations

from sluice.cli.output.tables import one_form, out, print_json
from sluice.contract.errors import SluiceError
from sluice.review import review, shown
from sluice.review.review import ReviewRequest


class Exceeded(SluiceError):
    """Something is over a threshold; `exit_code` says of what kind."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def diff(request: ReviewRequest, markdown: bool, as_json: bool) -> None:
    """Compare, print, and end.

    Raises:
        ConfigError: two forms are asked for at once.
        Exceeded: after printing, if something is over a threshold, or a model or its test failed.
    """
    one_form(markdown, as_json)
    found = review.of_project(request)
    if as_json:
        print_json(found.as_dict())
    else:
        said = shown.markdown(found) if markdown else shown.text(found)
        out.print(said, markup=False, highlight=False, soft_wrap=True)
    if found.exit_code:
        raise Exceeded("\n  ".join(["look at this before it is merged:", *found.reasons]), found.exit_code)

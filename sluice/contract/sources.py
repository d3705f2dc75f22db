"""Where rows come from if not from files: a function of the project."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sluice.contract.batches import Batches
from sluice.contract.contract import Files
from sluice.contract.errors import ContractError

MOST_ROWS = 50_000_000  # of one batch: far above what a function is asked for, and an end of one that has none
ROWS = "rows"  # what stands before :// in the address of such a delivery


def _none(batch: str) -> None: ...


@dataclass(frozen=True, slots=True, init=False)
class Rows(Files):
    """Deliveries that a function of the project gives: an API, a database cursor, a resource of dlt.

    Attributes:
        read: is called with a batch's name, and returns or yields its rows: Arrow tables or record batches, frames of
            pandas, or dicts. None means that the batch is not there yet.
        version: is called with a batch's name and names the version of its rows; while it is the same, `read` is not
            called. Without it, `read` is called for each batch that a run looks at, and its rows are compared.
        max_rows: of one batch; a function that gives more has no end, and the load fails.
    """

    read: Callable[[str], Any] = _none
    version: Callable[[str], str] | None = None
    max_rows: int = MOST_ROWS

    def __init__(
        self,
        read: Callable[[str], Any],
        batches: Batches,
        *,
        version: Callable[[str], str] | None = None,
        max_rows: int = MOST_ROWS,
        url: str = f"{ROWS}://{{dataset}}/{{batch}}",  # as `dataclasses.replace` calls it
        **options: Any,
    ) -> None:
        """`options` are those of `Files` that say how a cell is read, such as `null_values`.

        Raises:
            ContractError: `read` or `version` is not a function, or an option is wrong.
        """
        for name, value in {"read": read, "version": version}.items():
            if not (callable(value) or (name == "version" and value is None)):
                raise ContractError(f"{name} is a function that takes the name of a batch, not {value!r}")
        if not isinstance(max_rows, int) or max_rows < 1:
            raise ContractError(f"max_rows is a number of rows from 1, not {max_rows!r}")
        Files.__init__(self, url, batches, **options)
        given: dict[str, Any] = {"read": read, "version": version, "max_rows": max_rows}
        for name, value in given.items():
            object.__setattr__(self, name, value)

"""What the end of a run adds to its summary, of a flow or of an idle run: the site, keys that were lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sluice.runs.outcomes import EXPECTED, Summary, in_short
from sluice.staging import lost_keys
from sluice.warehouse.connection import open_warehouse


def browsable(summary: Summary, write: Callable[[Summary], str]) -> Summary:
    """The summary with the site that shows it, or with a warning: what was published stays published without one.

    Args:
        write: makes the site of a summary, and gives its front page.
    """
    try:
        return replace(summary, site=write(summary))
    except Exception as error:  # noqa: BLE001 - with any error, the data is where it belongs
        warning = f"the site was not written, the last one stays: {in_short(error)}"
        return replace(summary, warnings=(*summary.warnings, warning))


def keys_lost() -> tuple[str, ...]:
    """Published rows whose key has left the dataset that they reference, one sentence for each column."""
    try:
        return lost_keys.count(open_warehouse())
    except EXPECTED as error:
        return (f"references between datasets were not looked at again: {error}",)

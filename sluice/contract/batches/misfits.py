"""What a contract says of its batches that does not fit together, refused before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sluice.contract.batches.calendar import Calendar, Daily, Hourly
from sluice.contract.batches.each_file import EachFile
from sluice.contract.batches.single import Batches
from sluice.contract.errors import ConfigError, ContractError


def refuse_misfit(
    batches: Batches,
    url: str,
    columns: Mapping[str, str],
    dating: Sequence[str],
    since: Mapping[str, str],
    rows_vs: str,
) -> None:
    """Nothing, if all fits.

    Args:
        columns: the type of each column by its name.
        dating: types that can date batches, first that of a date.
        since: first batch of each column that came later, by the column's name.

    Raises:
        ContractError: a column that cannot date batches, an invalid folder or batch, a weekday without days.
    """
    able = dating[1:] if isinstance(batches, Hourly) else dating
    if batches.by is not None and columns.get(batches.by) not in able:
        raise ContractError(f"{batches.by!r} cannot date batches: it is not a column of {' or '.join(able)}")
    if isinstance(batches, EachFile) and (not url.endswith("/") or "{batch}" in url):
        raise ContractError("the url of EachFile is the folder of the files: it ends with /")
    if rows_vs == "weekday" and not isinstance(batches, Daily | Hourly):
        raise ContractError('rows_vs="weekday" is for batches of a day or an hour')
    if not isinstance(batches, Calendar):
        return
    for what, named in {"start": batches.start, **since}.items():
        try:
            batches.period(named)
        except ConfigError as error:
            raise ContractError(f"{what}: {error}") from None

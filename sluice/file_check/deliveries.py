"""Which batch of its dataset a file is, by its name or as the user says. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sluice.contract.batches import Single
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError

_MONTH = re.compile(r"(?<!\d)\d{4}-\d{2}(?!\d|-\d)")


def batches_of(contract: Contract, files: Sequence[str], named: Sequence[str]) -> list[str]:
    """The batch of each file.

    Args:
        files: paths or addresses.
        named: batches that the user gives: one for each file, in the same order, or none.

    Raises:
        ConfigError: another number of batches than of files, a batch that cannot be, or a name without one.
    """
    if named and len(named) != len(files):
        raise ConfigError(f"--batch is given {len(named)} times for {len(files)} files: give it once for each file")
    found = list(named) or [_by_name(contract, file) for file in files]
    for batch in found:
        contract.files.batches.validate(batch)
    return found


def _by_name(contract: Contract, file: str) -> str:
    batches = contract.files.batches
    if isinstance(batches, Single):
        return batches.name
    file = file.rstrip("/\\")
    name = re.split(r"[/\\]", file)[-1]
    template = re.split(r"[/\\]", contract.files.url)[-1]
    for word, value in {"dataset": contract.dataset_id, "entity": contract.entity}.items():
        template = template.replace(f"{{{word}}}", value)
    pattern = re.escape(template).replace(r"\{batch\}", r"(\d{4}-\d{2})", 1).replace(r"\{batch\}", r"\d{4}-\d{2}")
    if (whole := re.match(pattern, name)) and whole.groups():
        return whole[1]
    for where in (name, file):
        if len(months := set(_MONTH.findall(where))) == 1:
            return str(months.pop())
    raise ConfigError(f"{file}: its name does not show which month it is of; add --batch {batches.start}")

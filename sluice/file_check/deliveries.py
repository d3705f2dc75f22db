"""Which batch of its dataset a file is, by its name or as the user says. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sluice.contract.batches import Calendar, EachFile
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError


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
    pieces = re.split(r"[/\\]", file.rstrip("/\\"))
    if isinstance(batches, EachFile):
        below = ("/".join(pieces[start:]) for start in reversed(range(len(pieces))))
        if (named := next(filter(None, map(batches.batch_of, below)), None)) is None:
            raise ConfigError(f"{file}: does not match {batches.pattern}; add --batch with a name for it")
        return named
    if not isinstance(batches, Calendar):
        return batches.first
    file, name = "/".join(pieces), pieces[-1]
    if (found := _by_template(contract, batches, name)) is not None:
        return found
    anywhere = re.compile(rf"(?<!\d){batches.form()}(?!\d|-[\dQW]|T\d)")
    for where in (name, file):
        if len(once := set(anywhere.findall(where))) == 1:
            return str(once.pop())
    raise ConfigError(f"{file}: its name does not show which {batches.noun} it is of; add --batch {batches.start}")


def _by_template(contract: Contract, batches: Calendar, name: str) -> str | None:
    """The batch in a file's name, where the contract's address says where in it."""
    forms = {"batch": batches.form(), **batches.fields}
    template = re.split(r"[/\\]", contract.files.url)[-1]
    for word, value in {"dataset": contract.dataset_id, "entity": contract.entity}.items():
        template = template.replace(f"{{{word}}}", value)
    pattern = re.escape(template).replace(r"\*", "[^/]*")
    for field, form in forms.items():
        mark = rf"\{{{field}\}}"
        pattern = pattern.replace(mark, f"(?P<{field}>{form})", 1).replace(mark, f"(?P={field})")
    parts = match.groupdict() if (match := re.match(pattern, name)) else {}
    if "batch" in parts:
        return parts["batch"]
    return batches.layout.format(**parts) if parts.keys() == batches.fields.keys() else None

"""A batch of several files: those whose names match an address with `*`, in the order of their paths.

`*` stands for any letters within one name of a path. Pure: what there is has been listed before.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from urllib.parse import unquote

from sluice.contract.batches import Calendar
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError
from sluice.source.addresses import Address, filled, is_batch, is_web, marks_of, pattern_of
from sluice.source.files import Listing, SourceFile
from sluice.source.parts.folder import MOST_FILES, NULL

ANY = "*"


def is_of_several(template: str) -> bool:
    """Whether a template names all files that match, not one.

    Raises:
        ConfigError: it names files of a web server, which cannot be listed.
    """
    if ANY not in (template.partition("?")[0] if is_web(template) else template):
        return False
    if is_web(template):
        raise ConfigError(f"{Address(template)}: a web server cannot be listed; name each file without *")
    return True


def folder_of(template: str, contract: Contract) -> str:
    """The folder to list: the last one above the first part of a template that varies."""
    return _divided(template, contract)[0] or "./"


def batches_in(template: str, contract: Contract, files: Mapping[str, Listing]) -> dict[str, Listing]:
    """Each batch that has files, in batch order, with all of them.

    Args:
        files: by their paths below `folder_of`.

    A file whose path names the batch and, elsewhere, another day, month or year than the batch's is of none.
    """
    _, pattern = _divided(template, contract)
    kind, own = contract.files.batches, _spelt(template, contract)
    found: dict[str, list[Listing]] = {}
    for path in sorted(files):
        if (match := pattern.fullmatch(path)) is None:
            continue
        parts = match.groupdict()
        batch = parts.get("batch") or (kind.layout.format(**parts) if parts else kind.first)
        if is_batch(contract, batch) and parts.items() <= {"batch": batch, **kind.parts(batch)}.items():
            found.setdefault(batch, []).append(files[path])
    addresses = {batch: Address(filled(template, contract, batch)) for batch in sorted(found)}
    return {batch: replace(together(address, found[batch]), spelt=own) for batch, address in addresses.items()}


def too_many(listing: Listing) -> ConfigError | None:
    """What is wrong with a batch of more files than are read as one; None if they are not."""
    if len(listing.parts) <= MOST_FILES:
        return None
    return ConfigError(
        f"{listing.address}: {len(listing.parts):,} files match, at most {MOST_FILES:,} are read as one batch; ask for "
        "fewer, larger files, or shorter batches"
    )


def folder_above(address: str) -> str:
    """The folder to list for an address whose only part that varies is `*`."""
    return address[: address.rfind("/", 0, address.index(ANY)) + 1] or "./"


def matching(address: str, files: Mapping[str, Listing]) -> Listing:
    """All files that match such an address, as of one.

    Args:
        files: by their paths below `folder_above`.

    Raises:
        ConfigError: none does, they are too many, or their names would be left out of any list.
    """
    _refuse_left_out(address, address.removeprefix(folder_above(address)))
    pattern = pattern_of(address.removeprefix(folder_above(address)), {ANY: ("", "[^/]*")})
    found = [files[path] for path in sorted(files) if pattern.fullmatch(path)]
    if not found:
        raise ConfigError(f"{Address(address)}: no file matches; check the path")
    listing = together(Address(address), found)
    if (problem := too_many(listing)) is not None:
        raise problem
    return listing


def _refuse_left_out(template: str, below: str) -> None:
    """Raises ConfigError if a template asks for names that are left out where files are listed."""
    if any(name.startswith(("_", ".")) for name in below.split("/")):
        raise ConfigError(
            f"{Address(template)}: with *, names that begin with _ or . are left out, so no file would match; rename "
            "the files, or begin that part of the address with *"
        )


def _spelt(template: str, contract: Contract) -> tuple[str, ...]:
    """The columns that a template's paths give, as in `year={year}/`, and whose value only spells the batch."""
    marks = marks_of(contract)
    text = filled(template, contract, contract.files.batches.unreal, marks)
    return tuple(
        key for key, value in values_of(text) if value and ANY not in value and any(m in value for m in marks.values())
    )


def _divided(template: str, contract: Contract) -> tuple[str, re.Pattern[str]]:
    """The folder to list, and what the paths below it match.

    Raises:
        ConfigError: the template does not name one batch, or names that are left out of any list.
    """
    kind, marks = contract.files.batches, marks_of(contract)
    text = filled(template, contract, kind.unreal, marks)
    if isinstance(kind, Calendar) and not any(mark in text for mark in marks.values()):
        raise ConfigError(
            f"{Address(template)}: has no {{batch}}, so all batches of {contract} would be the same files"
        )
    written = kind.form() if isinstance(kind, Calendar) else re.escape(kind.first)
    forms = {mark: (field, kind.fields.get(field, written)) for field, mark in marks.items()} | {ANY: ("", "[^/]*")}
    varies = min(text.index(mark) for mark in forms if mark in text)
    folder = text[: text.rfind("/", 0, varies) + 1]
    _refuse_left_out(template, text[len(folder) :])
    return folder, pattern_of(text[len(folder) :], forms)


def together(address: str, parts: Sequence[Listing]) -> Listing:
    """What is known of several files as of one."""
    sizes = [part.size for part in parts]
    size = None if None in sizes else sum(size or 0 for size in sizes)
    return Listing(address, size, etag_of(parts), newest(parts), tuple(parts))


def etag_of(parts: Sequence[Listing | SourceFile]) -> str | None:
    """A digest that differs once a file is added, removed or replaced; None if a server does not distinguish files."""
    if not all(part.etag or part.modified for part in parts):
        return None
    facts = [(str(part.address), part.size, part.etag, part.modified) for part in parts]
    return sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def newest(parts: Iterable[Listing | SourceFile]) -> str | None:
    """When the last of them was modified, if that is known of any."""
    return max((part.modified for part in parts if part.modified), default=None)


def sha256_of(parts: Iterable[SourceFile], spelt: Collection[str] = ()) -> str:
    """The fingerprint of what becomes rows: all contents with what their paths say of their rows, in any order.

    Args:
        spelt: columns left out, which only say which batch it is: the same files may come as another batch.
    """
    facts = ((part.sha256, [pair for pair in part.values if pair[0] not in spelt]) for part in parts)
    return sha256("\n".join(sorted(map(repr, facts))).encode("utf-8", "surrogateescape")).hexdigest()


def values_of(address: str) -> tuple[tuple[str, str | None], ...]:
    """What the path of a file says of its rows: `year=2024/` gives each the column `year`, as in a folder."""
    return tuple(_pairs(address.partition("://")[2] or address))


def _pairs(path: str) -> Iterator[tuple[str, str | None]]:
    for part in path.split("/")[:-1]:
        key, mark, value = part.partition("=")
        if mark:
            yield unquote(key), None if value == NULL else unquote(value)

"""Addresses of source files: which are allowed, what they are called, and how a template becomes one. Opens nothing.

An address may be signed, or hold a token. So it is shown, kept and compared by its name, which holds no secret.
"""

from __future__ import annotations

import glob
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError
from sluice.contract.formatting import address_name, is_chained

WEB, BUCKETS, BLOCK = ("http", "https"), ("gs", "s3"), "block"
SCHEMES = (*WEB, *BUCKETS, BLOCK)  # fsspec knows 50 more, some of which run code or reach inside
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C:\ is a drive
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]*")  # as Prefect names blocks and their types
_FIELDS = ("batch", "dataset", "entity")
_given: dict[str, str] = {}  # templates by their names


class Address(str):
    """The name of an address; `real` is what opens it."""

    real: str

    def __new__(cls, address: str) -> Address:
        """Of an address, or of one that has its name already."""
        if isinstance(address, Address):
            return address
        named = super().__new__(cls, address_name(address))
        named.real = address
        return named


def hide(template: str) -> str:
    """The name of a template that a person gave: what Prefect may keep as a run's parameter."""
    named = Address(template)
    _given[str(named)] = template
    return str(named)


def reveal(name: str) -> str:
    """The template that was hidden in this process."""
    return _given.get(name, name)


def is_remote(address: str) -> bool:
    """Whether the address is fetched, and cannot be listed."""
    return scheme_of(address) in SCHEMES


def is_web(address: str) -> bool:
    """Whether the address is a web server's."""
    return scheme_of(address) in WEB


def scheme_of(address: str) -> str:
    """What stands before `://`, in lower case; empty if nothing does."""
    scheme, mark, _ = address.partition("://")
    return scheme.lower() if mark else ""


def local_path(address: str) -> Path:
    """The path of a local address, plain or `file://`."""
    if address.lower().startswith("file:"):
        parts = urlsplit(address)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ConfigError(f"{address}: a file address is written file:///folder/name")
        return Path(unquote(parts.path))
    return Path(address).expanduser()


def check(address: str) -> str:
    """The address, if it is a kind that Sluice opens. Messages hold its name.

    Raises:
        ConfigError: it is not valid: another scheme, a chain of them, a password within, a link-local host.
    """
    name = address_name(address)
    if not address or "\0" in address or "\n" in address:
        raise ConfigError(f"{name!r}: not a valid file address")
    if is_chained(address):
        raise ConfigError(f"{name}: chained addresses are not opened; name the file itself")
    match = _SCHEME.match(address)
    if match is None:
        return address
    scheme = match[1].lower()
    if scheme == "file":
        local_path(address)
        return address
    if scheme not in SCHEMES or not is_remote(address):
        raise ConfigError(
            f"{name}: {scheme}: is not a supported scheme; use a local path, or an address that begins with "
            "https://, gs://, s3:// or block://type/name/ (a Prefect storage block)"
        )
    if is_web(address):
        _check_host(address, name)
    else:
        _check_stored(address, name)
    return address


def _check_stored(address: str, name: str) -> None:
    """A bucket's or a block's address is `place/path`, and stays within that place."""
    place, _, path = address.partition("://")[2].partition("/")
    if scheme_of(address) == BLOCK:
        block, _, path = path.partition("/")
        if not (_SLUG.fullmatch(place) and _SLUG.fullmatch(block) and path):
            raise ConfigError(f"{name}: a block's file is written block://type/name/path; prefect block ls lists them")
    elif "@" in place or ":" in place:
        shown = address_name(address.replace(place, "...", 1))
        raise ConfigError(f"{shown}: addresses are logged and kept, so they must not contain a user or password")
    if not place or not path or ".." in path.split("/"):
        raise ConfigError(f"{name}: does not name a file in a bucket: write it as s3://bucket/folder/name")


def _check_host(address: str, name: str) -> None:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        why = "" if "..." in name else f": {error}"  # it may quote a part of the password
        raise ConfigError(f"{name}: not a valid web address{why}") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{name}: addresses are logged and kept, so they must not contain a user or password")
    if not host:
        raise ConfigError(f"{name}: names no host")


def expand(template: str, contract: Contract, batches: Iterable[str]) -> dict[str, Address]:
    """The address of each batch. `{batch}`, `{dataset}` and `{entity}` are filled in.

    Raises:
        ConfigError: the template asks for something else or lacks `{batch}` where there is more than one
            batch, or a batch is not one of the dataset's.
    """
    addresses = {}
    for batch in batches:
        contract.files.batches.validate(batch)  # so that a batch can never lead out of its folder
        addresses[batch] = check(filled(template, contract, batch))
    if len(set(addresses.values())) < len(addresses):
        raise ConfigError(f"{address_name(template)}: has no {{batch}}, so all batches of {contract} would be one file")
    return {batch: Address(address) for batch, address in addresses.items()}


def discover(template: str, contract: Contract) -> tuple[str, ...]:
    """The batches of a local template that have a file, in batch order. Other names are ignored.

    Raises:
        ConfigError: the template is not valid, or is not local (a web server cannot be listed).
    """
    check(filled(template, contract, "0"))
    if is_remote(template):
        raise ConfigError(f"{address_name(template)}: cannot be listed; name the batches with --batch")
    marks = marks_of(contract)
    path = str(local_path(filled(template, contract, "0", marks)))
    forms = {mark: (field, contract.files.batches.fields.get(field, "[^/]+")) for field, mark in marks.items()}
    pieces = _divided(path, forms)
    if len(pieces) == 1:  # one file for all there is: only a dataset of one batch can be meant
        only = getattr(contract.files.batches, "name", None)
        return (only,) if only is not None and Path(path).exists() else ()
    pattern = pattern_of(path, forms)
    found = set()
    wanted = "".join("*" if piece in forms else glob.escape(piece) for piece in pieces)
    for name in glob.iglob(wanted):  # noqa: PTH207 - any part may vary
        if (match := pattern.fullmatch(name)) is None:
            continue
        parts = match.groupdict()
        batch = parts.get("batch") or contract.files.batches.layout.format(**parts)
        if is_batch(contract, batch) and str(local_path(filled(template, contract, batch))) == name:
            found.add(batch)
    return tuple(sorted(found))


def marks_of(contract: Contract) -> dict[str, str]:
    """A letter that no path has for each field of a batch's name, to stand in a template in its place."""
    return {field: chr(place) for place, field in enumerate(("batch", *contract.files.batches.fields), start=1)}


def pattern_of(text: str, forms: Mapping[str, tuple[str, str]]) -> re.Pattern[str]:
    """What a template matches that was filled with marks.

    Args:
        forms: for each mark, its field, which becomes a group unless it is empty, and how it is written.
    """
    pieces = _divided(text, forms)
    return re.compile("".join(_form(pieces, place, forms) for place in range(len(pieces))), re.DOTALL)


def _divided(text: str, forms: Mapping[str, tuple[str, str]]) -> list[str]:
    return re.split(f"([{''.join(forms)}])", text)


def _form(pieces: Sequence[str], place: int, forms: Mapping[str, tuple[str, str]]) -> str:
    """What a piece of a template's path matches: a field its form, and the same text where it stands again."""
    if pieces[place] not in forms:
        return re.escape(pieces[place])
    field, form = forms[pieces[place]]
    if not field:
        return form
    return f"(?P={field})" if pieces[place] in pieces[:place] else f"(?P<{field}>{form})"


def is_batch(contract: Contract, name: str) -> bool:
    try:
        contract.files.batches.validate(name)
    except ConfigError:
        return False
    return True


def filled(template: str, contract: Contract, batch: str, marks: Mapping[str, str] | None = None) -> str:
    """A template with the fields of a batch, or with marks in their place. Raises as `expand`."""
    shown = address_name(template)
    try:
        fields = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}
    except ValueError as error:
        raise ConfigError(f"{shown}: not a valid template: {error}") from None
    parts = contract.files.batches.fields
    if strange := fields.difference(_FIELDS, parts):
        raise ConfigError(f"{shown}: {{{min(strange)}}} is unknown; a template knows {_braced((*_FIELDS, *parts))}")
    if fields.intersection(parts) and not fields.issuperset(parts) and "batch" not in fields:
        raise ConfigError(f"{shown}: name a batch with all of {_braced(parts)}, or with {{batch}}")
    values = {"batch": batch, "dataset": contract.dataset_id, "entity": contract.entity}
    values |= contract.files.batches.parts(batch) or dict.fromkeys(parts, "0")
    values |= marks or {}
    for field, value in values.items():
        template = template.replace("{" + field + "}", value)
    return template.replace("{{", "{").replace("}}", "}")


def _braced(fields: Iterable[str]) -> str:
    return ", ".join("{" + field + "}" for field in fields)

"""Numbers, shares and addresses as people read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from hashlib import sha256
from typing import TypeVar

T = TypeVar("T")
FEW = 5  # that are alike, and are shown one by one
HIDDEN = "..."
MASK = "***"  # in the place of a personal value, or of a secret
# Parameters that sign or open an address, in lower case: of S3, Google, Azure, CloudFront, Akamai, and usual ones.
_SIGNING = re.compile(
    r"(x-(amz|goog|ms|oss|cos|obs)-.*|.*(sig|signature|token|secret|passw(or)?d|passwd|pwd|credentials?|api-?_?key|jwt|hmac)"
    r"|auth(orization)?|s[tevrpig]|spr|sr[st]|sk(oid|tid|t|e|s|v)|expires|policy|key-pair-id|awsaccesskeyid|googleaccessid|hdn[et][a-z]*)"
)
_SCHEME_ALONE = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+:/?).*@")
_PLAIN = re.compile(r"\d{4}(-\d{2}){0,2}|\{[a-z]*\}|~[0-9a-f]{8}|" + re.escape(HIDDEN))


def counted(number: int, what: str) -> str:
    """A number of things as people read it: `1 row`, `2,000 rows`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def percent(share: float | None) -> str:
    """A share as people read it: 0.1579 is `15.79%`, 0.05 is `5%`."""
    if share is None:
        return "-"
    text = f"{share * 100:.2f}".rstrip("0").rstrip(".")
    return f"{text}%" if text != "0" or share == 0 else "<0.01%"


def folded(items: Sequence[T], alike: Callable[[T], Hashable]) -> list[list[T]]:
    """Items to be shown, in their order: each alone, or, where more than a few are alike, these as one.

    Args:
        alike: what items are known by that are shown as one; None for an item that is always shown alone.
    """
    groups: dict[Hashable, list[T]] = {}
    keys = [alike(item) for item in items]
    for key, item in zip(keys, items, strict=True):
        groups.setdefault(key, []).append(item)
    shown = []
    for key, item in zip(keys, items, strict=True):
        if key is None or len(groups[key]) <= FEW:
            shown.append([item])
        elif item is groups[key][0]:
            shown.append(groups[key])
    return shown


def span(names: Sequence[str]) -> str:
    """One name, or how many there are: `300 batches, 2021-01-01 to 2021-10-27`."""
    return names[0] if len(names) == 1 else f"{len(names):,} batches, {names[0]} to {names[-1]}"


def address_name(address: str) -> str:
    """The address as it is shown and kept: without user, password, and secrets in its query.

    The same file has the same name, however often its address is signed again: signatures are left out, and other
    values of a query are given as a digest, unless they are a date. The name of a name is that name.
    """
    if is_chained(address):
        scheme, mark, _ = address.partition("::")[0].partition("://")
        return f"{scheme}{mark and mark + HIDDEN}::{HIDDEN}"  # refused, so that it need not be found again
    scheme, mark, rest = address.partition("://")
    if not mark:
        return _SCHEME_ALONE.sub(rf"\1{HIDDEN}@", address)
    place, path = _divided(rest)
    where = f"{HIDDEN}@{place.rpartition('@')[2]}" if "@" in place else place
    if scheme.lower() not in ("http", "https"):
        return f"{scheme}://{where}{path}"  # a `?` in a bucket is a letter of a name
    path, question, query = path.partition("#")[0].partition("?")
    shown = "&".join(_parameter(each) for each in query.split("&")) if question else ""
    return f"{scheme}://{where}{path}{question}{shown}"


def is_chained(address: str) -> bool:
    """Whether it is several addresses in one, as fsspec chains them. An IPv6 address in brackets is not one."""
    return "::" in re.sub(r"://(?:[^/?#@]*@)?\[[0-9A-Fa-f:.%]*\]", "://", address, count=1)


def _divided(rest: str) -> tuple[str, str]:
    """Host and path. A password with a slash in it is not a path: the host then comes after the last @."""
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    _, colon, port = place.partition(":")
    if colon and not place.startswith("[") and not port.isdigit() and "@" in rest:
        at = rest.rindex("@")
        after = re.split(r"[/?#]", rest[at:], maxsplit=1)[0]
        place = rest[: at + len(after)]
    return place, rest[len(place) :]


def _parameter(text: str) -> str:
    name, equals, value = text.partition("=")
    if not equals:
        return text if _PLAIN.fullmatch(text) or not text else _digest(text)
    if _SIGNING.fullmatch(name.lower()):
        return f"{name}={HIDDEN}"
    return text if _PLAIN.fullmatch(value) or not value else f"{name}={_digest(value)}"


def _digest(value: str) -> str:
    return f"~{sha256(value.encode()).hexdigest()[:8]}"

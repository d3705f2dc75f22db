"""Regular expressions as Java reads them, of those that symbols/patterns.py writes for PostgreSQL. Pure."""

from __future__ import annotations

import re

# One token: an escape, a set of characters, or a single character.
_TOKEN = re.compile(r"\\.|\[\^?(?:\\.|[^\]\\])*\]|.", re.DOTALL)


def java_pattern(pattern: str) -> str:
    """The same pattern for Java's `find`.

    Two things differ in the part of the language that is written: Java's `$` is before a last line break too, and
    `&&` in a set means what two sets have in common.
    """
    return "".join(map(_token, _TOKEN.findall(pattern)))


def _token(token: str) -> str:
    if token == "$":
        return r"\z"
    return token.replace("&", r"\&") if token.startswith("[") else token

"""Regular expressions as PostgreSQL writes them, where they find the same as in pandas. Pure.

pandas runs the patterns of Arrow texts with RE2, and so do we mean them: `$` is the end of the text, not the place
before a last line break, and `\\d`, `\\s` and `\\w` are ASCII. Python's own parser gives the tree; a text that Python
and RE2 could read in two ways, or that has no exact equivalent in PostgreSQL, is refused.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from sluice.contract.checks.symbols.literals import Untraceable, checked_text

MOST_REPEATS = 255  # PostgreSQL's DUPMAX
_SPECIAL = frozenset(r".^$*+?()[]{}|\-")

# What RE2 and Python read in two ways, or only one of them reads. An escape is an x when it is asked.
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SAFE_ESCAPES = frozenset("dDsSwWnrtfvA")
_TWO_WAYS = re.compile(r"\{(?!\d+(,\d*)?\})|\(\?(?!:|P<)|\[:")

_CLASSES = {
    sre.CATEGORY_DIGIT: "0-9",
    sre.CATEGORY_SPACE: "\t\n\f\r ",  # RE2's \s leaves out the vertical tab
    sre.CATEGORY_WORD: "0-9A-Za-z_",
}
_OTHER_CLASSES = {
    sre.CATEGORY_NOT_DIGIT: sre.CATEGORY_DIGIT,
    sre.CATEGORY_NOT_SPACE: sre.CATEGORY_SPACE,
    sre.CATEGORY_NOT_WORD: sre.CATEGORY_WORD,
}
_ANCHORS = {sre.AT_BEGINNING: "^", sre.AT_BEGINNING_STRING: "^", sre.AT_END: "$"}


def contains_pattern(pattern: object) -> str:
    """PostgreSQL's pattern for `.str.contains(pattern)`.

    Raises:
        Untraceable: it is not known to find the same there.
    """
    return _translated(_text(pattern))


def match_pattern(pattern: object) -> str:
    """PostgreSQL's pattern for `.str.match(pattern)`: from the start of the text on.

    Raises:
        Untraceable: it is not known to find the same there.
    """
    return f"^(?:{_translated(_anchorable(_text(pattern)))})"


def fullmatch_pattern(pattern: object) -> str:
    """PostgreSQL's pattern for `.str.fullmatch(pattern)`: the whole text.

    Raises:
        Untraceable: it is not known to find the same there.
    """
    return f"^(?:{_translated(_anchorable(_text(pattern)))})$"


def _text(pattern: object) -> str:
    if isinstance(pattern, re.Pattern):
        if pattern.flags != re.UNICODE:
            raise Untraceable("a pattern with flags")
        pattern = pattern.pattern
    return checked_text(pattern)


def _anchorable(text: str) -> str:
    """pandas takes `^` and `$` off a pattern and puts its own on, without a look at what `|` binds."""
    if "|" in text and (text.startswith("^") or text.endswith("$")):
        raise Untraceable("a pattern of alternatives that contain ^ or $")
    return text


def _translated(text: str) -> str:
    escapes = {match[1] for match in _ESCAPE.finditer(text)}
    if any(c.isalnum() and c not in _SAFE_ESCAPES for c in escapes) or not all(c.isascii() for c in escapes):
        raise Untraceable("a pattern with an escape that engines read differently")
    if _TWO_WAYS.search(_ESCAPE.sub("x", text)):
        raise Untraceable("a pattern that engines read differently")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Python warns of what other engines take for a set of characters
            tree = _parser.parse(text)  # Python gives no public way to a parsed pattern (read in 3.11 to 3.13)
    except (re.error, Warning, RecursionError, OverflowError) as error:
        raise Untraceable(f"a pattern that Python does not read: {error}") from None
    if tree.state.flags != re.UNICODE:
        raise Untraceable("a pattern with flags")
    return _sequence(tree)


def _sequence(items: Iterable[tuple[Any, Any]]) -> str:
    return "".join(_item(*item) for item in items)


def _item(op: Any, value: Any) -> str:
    if op is sre.LITERAL:
        return _literal(value)
    if op is sre.NOT_LITERAL:
        return f"[^{_literal(value)}]"
    if op is sre.ANY:
        return "[^\n]"  # a dot in PostgreSQL is a line break too
    if op is sre.AT and value in _ANCHORS:
        return _ANCHORS[value]
    if op is sre.IN:
        return _set(value)
    if op is sre.BRANCH:
        return f"(?:{'|'.join(_sequence(branch) for branch in value[1])})"
    if op is sre.SUBPATTERN and not value[1] and not value[2]:
        return f"(?:{_sequence(value[3])})"
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):  # greedy or not: there is a match, or there is none
        return _repeat(*value)
    raise Untraceable(f"a pattern with {str(op).lower()}")


def _repeat(least: int, most: Any, items: Any) -> str:
    if least > MOST_REPEATS or (most is not sre.MAXREPEAT and most > MOST_REPEATS):
        raise Untraceable(f"a pattern that counts beyond {MOST_REPEATS}")
    if "^" in (inner := _sequence(items)).replace("[^", "").replace("\\^", "") or inner.endswith("$"):
        raise Untraceable("a pattern that repeats an anchor")
    count = {(0, sre.MAXREPEAT): "*", (1, sre.MAXREPEAT): "+", (0, 1): "?"}.get((least, most))
    if count is None:
        count = f"{{{least}}}" if least == most else f"{{{least},{'' if most is sre.MAXREPEAT else most}}}"
    return f"(?:{inner}){count}"


def _set(members: list[tuple[Any, Any]]) -> str:
    if len(members) == 1 and members[0][0] is sre.CATEGORY and members[0][1] in _OTHER_CLASSES:
        return f"[^{_CLASSES[_OTHER_CLASSES[members[0][1]]]}]"
    negated = members[0][0] is sre.NEGATE
    return f"[{'^' if negated else ''}{''.join(_member(*member) for member in members[negated:])}]"


def _member(op: Any, value: Any) -> str:
    if op is sre.LITERAL:
        return _literal(value)
    if op is sre.RANGE:
        return f"{_literal(value[0])}-{_literal(value[1])}"
    if op is sre.CATEGORY and value in _CLASSES:
        return _CLASSES[value]
    raise Untraceable("a pattern with a class inside a set")


def _literal(code: int) -> str:
    c = chr(code)
    return f"\\{c}" if c in _SPECIAL else c

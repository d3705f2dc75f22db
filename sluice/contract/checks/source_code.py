"""The code that a check consists of: its author's function, and what that calls or names. Pure: runs nothing of it."""

from __future__ import annotations

import dis
import inspect
import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

_CLOCK = frozenset({"now", "today", "utcnow"})
_PLAIN = (int, float, str, bytes, bool, Decimal, date, timedelta, tuple, list, dict)


def functions(check: Callable[..., Any]) -> list[FunctionType]:
    """The function as its author wrote it, and those that it calls by a name of its module or closes over."""
    return [part for part in _parts(check, set()) if isinstance(part, FunctionType) and not _of_pandera(part)]


def text(check: Callable[..., Any]) -> str:
    """What changes when the check demands something else: the source of its functions, and constants they name."""
    return "\n".join(_described(part) for part in _parts(check, set()) if not _of_pandera(part))


def reads_clock(check: Callable[..., Any]) -> bool:
    """Whether a check compares with the present, so that it demands something else each time it is asked."""
    found = (code for function in functions(check) for code in codes(function))
    return any(_CLOCK.intersection(code.co_names) for code in found)


def asks_for_type(check: Callable[..., Any]) -> bool:
    """Whether its way may depend on `type(values)`, of which a symbol cannot answer what pandas' Series would."""
    asked = (each for function in functions(check) for code in codes(function) for each in dis.get_instructions(code))
    return any((each.opname, each.argval) == ("LOAD_GLOBAL", "type") or each.argval == "__class__" for each in asked)


def codes(function: FunctionType) -> Iterator[CodeType]:
    """Its code, and that of functions within it."""
    found = [function.__code__]
    while found:
        code = found.pop()
        yield code
        found += [const for const in code.co_consts if isinstance(const, CodeType)]


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """Functions and plain constants, each once."""
    value = getattr(value, "check_fn", getattr(value, "__func__", value))  # as pandera, or a class, wraps a function
    if isinstance(value, FunctionType) and id(value) not in seen:
        seen.add(id(value))
        yield value
        named = {name for code in codes(value) for name in code.co_names}
        there = set() if _of_pandera(value) else named & value.__globals__.keys()
        closed_over = [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
        for inner in (*(value.__globals__[name] for name in sorted(there)), *closed_over):
            yield from _parts(inner, seen)
    elif isinstance(value, set | frozenset):
        yield sorted(map(repr, value))
    elif isinstance(value, _PLAIN):
        yield value


def _of_pandera(part: Any) -> bool:
    return isinstance(part, FunctionType | MethodType) and str(part.__module__).startswith("pandera.")


def _described(part: Any) -> str:
    if not isinstance(part, FunctionType):
        return _steady(part)
    try:
        return inspect.getsource(part)
    except (OSError, TypeError):  # made by exec: there is no file to read it from
        return part.__code__.co_code.hex() + repr(part.__code__.co_names)


def _steady(constant: Any) -> str:
    """A constant as text that is the same in every process: no address of an object, no order of a set."""
    try:
        return json.dumps(constant, default=lambda v: str(v) if isinstance(v, _PLAIN) else type(v).__name__)
    except TypeError:  # keys that JSON has not
        return type(constant).__name__

"""The parts of a pandera check that pandera gives no public way to. The only module that names them (read in 0.35)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandera.pandas as pa
from pandera.api.function_dispatch import Dispatcher


def function_of(check: pa.Check) -> Callable[..., Any]:
    """What it calls with the values: the author's function, or pandera's own dispatcher."""
    function: Callable[..., Any] = check._check_fn
    return function


def arguments_of(check: pa.Check) -> Mapping[str, Any]:
    """What it passes to that function beside the values."""
    arguments: Mapping[str, Any] = check._check_kwargs
    return arguments


def is_builtin(check: pa.Check) -> bool:
    """Whether it is pandera's own, and not an author's that has the name of one."""
    return isinstance(function_of(check), Dispatcher)

"""Return memory to the system between the steps of a run, which take it one after the other. Imports nothing slow."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Return what is not used any more: Arrow and the C library would keep it for the step that took it."""
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):  # not in every C library
        library.malloc_trim(0)

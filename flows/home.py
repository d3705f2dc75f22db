"""The folder of this checkout for everything that Sluice keeps outside of the warehouse. Imports nothing slow."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder: SLUICE_HOME, or `.sluice`."""
    return Path(os.environ.get("SLUICE_HOME", ".sluice")).absolute()

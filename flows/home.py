"""The folders on this machine: the checkout's, for all that Sluice keeps outside of the warehouse, and Prefect's.

Imports nothing slow.
"""

from __future__ import annotations

import os
from pathlib import Path

from contracts.errors import ConfigError


def home() -> Path:
    """The folder: SLUICE_HOME, or `.sluice`."""
    return Path(os.environ.get("SLUICE_HOME", ".sluice")).absolute()


def prefect_home() -> Path:
    """Where Prefect keeps its profiles, results, and the database of a temporary server."""
    return Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()


def make_prefect_home() -> None:
    """Make Prefect's folder and those above it, which Prefect does not; its server then waits two minutes for nothing.

    Raises:
        ConfigError: it cannot be made, or not be written.
    """
    folder, problem = prefect_home(), "it is not writable"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        problem = error.strerror or str(error)
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise ConfigError(f"Prefect's folder {folder} cannot be used: {problem}. Let PREFECT_HOME name one that can")

"""Settings of Prefect's: those that a command gives it, and whether a server that stands is named."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

from sluice.project.paths import prefect_home

SETTING = "PREFECT_API_URL"
WITHOUT = "ephemeral"  # Prefect's profile that a user has who has chosen none: it names no server
OF_PROFILES = ("PREFECT_PROFILE", "PREFECT_PROFILES_PATH", "PREFECT_HOME")
# Settings of Prefect's for a person at this console, where the user has set no others.
DEFAULTS = {
    # Its logs go to the API as ever, but a person is shown the progress and the summary, and only warnings of the logs.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
    # As prefect.toml says for this folder; a run may be started in another one.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # No statistics are sent; and the attempt fails with an error while a new server makes its database.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",  # the client's side of it; else it prints that it collects data
    # A temporary server need not offer the block types of every installed package: importing them takes it 8 s.
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
}


def set_defaults() -> None:
    """Give Prefect its settings, also where it is imported already: `python -m flows.nightly` does that first."""
    missing = {name: value for name, value in DEFAULTS.items() if name not in os.environ}
    os.environ.update(missing)
    if missing and "prefect" in sys.modules:
        from prefect.context import refresh_global_settings_context
        from prefect.logging.configuration import setup_logging

        refresh_global_settings_context()
        setup_logging(incremental=True)  # the levels alone


def names_a_server() -> bool:
    """Whether the environment, a file of the working directory or the active profile names Prefect's API.

    Read from where Prefect reads its settings, without importing it. In doubt the answer is yes: a run that starts
    Prefect in vain is slow, one that wrongly does without is missing there.
    """
    if SETTING in os.environ:
        return True
    try:
        return _in_dotenv() or _in_project() or _in_profile()
    except (OSError, ValueError, AttributeError):  # Prefect says what is wrong with it
        return True


def _in_dotenv() -> bool:
    file = Path(".env")
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return any(name in text for name in (SETTING, *OF_PROFILES))


def _in_project() -> bool:
    tables = _toml(Path("prefect.toml")), _toml(Path("pyproject.toml")).get("tool", {}).get("prefect", {})
    return any("url" in table.get("api", {}) or {"profiles_path", "home"} & set(table) for table in tables)


def _in_profile() -> bool:
    path = os.environ.get("PREFECT_PROFILES_PATH")
    known = _toml(Path(path).expanduser() if path else prefect_home() / "profiles.toml")
    active = os.environ.get("PREFECT_PROFILE") or known.get("active") or WITHOUT
    profile = known.get("profiles", {}).get(active)
    return active != WITHOUT if profile is None else SETTING in profile


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

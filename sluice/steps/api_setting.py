"""Whether Prefect is set up for a server that stands: read from where Prefect reads its settings, without importing it.

In doubt the answer is yes: a run that starts Prefect in vain is slow, one that wrongly does without is missing there.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from sluice.project.paths import prefect_home

SETTING = "PREFECT_API_URL"
WITHOUT = "ephemeral"  # Prefect's profile that a user has who has chosen none: it names no server
OF_PROFILES = ("PREFECT_PROFILE", "PREFECT_PROFILES_PATH", "PREFECT_HOME")


def names_a_server() -> bool:
    """Whether the environment, a file of the working directory or the active profile names Prefect's API."""
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

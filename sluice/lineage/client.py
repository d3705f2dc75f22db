"""The standard's own client: whether somebody configured it, and the one that does as configured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from sluice.project import paths

FILE = "openlineage.yml"
MISSING = "OpenLineage is configured, but its client is not installed: pip install 'sluice-elt[openlineage]'"


def is_configured() -> bool:
    """Whether events are wanted: by the client's own environment variables, or its file in one of its places."""
    if os.environ.get("OPENLINEAGE_DISABLED", "").lower() == "true":
        return False
    named = any(name == "OPENLINEAGE_URL" or name.startswith("OPENLINEAGE__TRANSPORT") for name in os.environ)
    of_user = os.path.join(os.path.expanduser("~"), ".openlineage", FILE)  # noqa: PTH118, PTH111 - a home may be missing
    places = (os.environ.get("OPENLINEAGE_CONFIG"), FILE, _of_project(), of_user)
    return named or any(place and os.path.isfile(place) for place in places)  # noqa: PTH113 - or may be forbidden


def missing() -> str | None:
    """A sentence, if the client cannot be imported. It is imported here, before two threads do so at a time."""
    try:
        from openlineage.client import OpenLineageClient, event_v2, facet_v2  # noqa: F401
    except ImportError as error:
        return f"{MISSING} ({error})"
    except Exception as error:  # noqa: BLE001 - of anything that it imports, in a version that does not fit
        return f"OpenLineage is configured, but its client cannot be imported: {type(error).__name__}: {error}"
    return None


def make() -> Any:
    """The client as configured; beside its own places, by `openlineage.yml` in the project's folder."""
    from openlineage.client import OpenLineageClient

    file = _of_project()
    with _environment_kept():
        if os.environ.get("OPENLINEAGE_CONFIG") or not file.is_file():
            return OpenLineageClient()
        return OpenLineageClient(config=yaml.safe_load(file.read_text(encoding="utf-8")))


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Remove what the client adds: it copies OPENLINEAGE_URL to other variables, by which a later run would be sent."""
    before = set(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - before:
            if name.startswith("OPENLINEAGE__"):
                del os.environ[name]


def _of_project() -> Path:
    return paths.root() / FILE

"""Iceberg's jars for Spark 3.5: of a package in the dependency group `spark`, or those that ICEBERG_JARS names."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "snowpark_connect_deps_iceberg"


def iceberg_jars() -> tuple[str, ...]:
    """Their paths.

    Raises:
        LookupError: they are nowhere.
    """
    if named := os.environ.get("ICEBERG_JARS"):
        return tuple(named.split(":"))
    package = find_spec(PACKAGE)
    folders = package.submodule_search_locations if package is not None else None
    found = sorted(str(jar) for folder in folders or () for jar in Path(folder).rglob("*_2.12-*.jar"))
    if not found:
        raise LookupError(f"no jars of Iceberg: install {PACKAGE} (make test-spark does), or set ICEBERG_JARS")
    return tuple(found)

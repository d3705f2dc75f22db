"""Where Iceberg's runtime for Spark 3.5 lies on this machine. Imports nothing of Spark."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "snowpark_connect_deps_iceberg"  # of the extra `spark`, which pyproject.toml gives the reason for
FITTING = "iceberg-spark-runtime-3.5_2.12-*.jar"  # pyspark's own jars are of Scala 2.12; the package has 2.13 as well
_RUNTIME = re.compile(r"iceberg-spark\d*-runtime.*\.jar")  # Amazon EMR calls its own iceberg-spark3-runtime.jar


def with_runtime(given: Iterable[str]) -> tuple[str, ...]:
    """The jars that a user names; with Iceberg's runtime, if none of them is it and a package has it."""
    jars = tuple(str(Path(jar).expanduser()) for jar in given)
    if any(map(is_runtime, jars)) or of_spark() is not None:
        return jars
    found = of_package()
    return jars if found is None else (str(found), *jars)


def is_runtime(jar: str) -> bool:
    """Whether a jar is Iceberg's runtime, by its name."""
    return _RUNTIME.fullmatch(Path(jar).name) is not None


def of_package() -> Path | None:
    """The runtime in the installed package."""
    return _first(_folder(PACKAGE))


def of_spark() -> Path | None:
    """The runtime among Spark's own jars, where an installation of Spark has it."""
    home = os.environ.get("SPARK_HOME")
    return _first(Path(home) if home else _folder("pyspark"))


def _folder(package: str) -> Path | None:
    found = find_spec(package)
    places = found.submodule_search_locations if found else None
    return Path(places[0]) if places else None


def _first(folder: Path | None) -> Path | None:
    return None if folder is None else next(iter(sorted((folder / "jars").glob(FITTING))), None)

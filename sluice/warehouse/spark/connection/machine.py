"""Whether this machine can run Spark: Python, pyspark, Java. Imports nothing of Spark."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sluice.contract.errors import ConfigError

NEWEST_PYTHON = (3, 11)  # the newest that pyspark 3.5 declares
PYSPARK, JAVA = "3.5", 17
INSTALL = "pip install 'sluice-elt[spark]'"
INSTALL_JAVA = f"Install Java {JAVA} (Debian: apt-get install openjdk-{JAVA}-jre-headless), or set JAVA_HOME to one"
SECONDS = 30  # for Java to say its version
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')  # 1.8 is Java 8


@dataclass(frozen=True, slots=True)
class Java:
    """A Java that Spark would start.

    Attributes:
        found: how: by JAVA_HOME, or on PATH.
        version: its major version; None if it did not say one.
    """

    path: Path
    found: str
    version: int | None


def refuse_python() -> None:
    """Nothing, where pyspark 3.5 runs on this Python.

    Raises:
        ConfigError: it does not.
    """
    if sys.version_info[:2] > NEWEST_PYTHON:
        newest, this = (".".join(map(str, version[:2])) for version in (NEWEST_PYTHON, sys.version_info))
        raise ConfigError(
            f"the engine 'spark' needs Python {newest}, and this is Python {this}: pyspark {PYSPARK} supports no newer "
            f"one. Make an environment with Python {newest}, and there: {INSTALL}"
        )


def pyspark_version() -> str | None:
    """Of the installed pyspark; None if there is none."""
    try:
        return metadata.version("pyspark")
    except metadata.PackageNotFoundError:
        return None


def java() -> Java | None:
    """The Java that Spark would start: of JAVA_HOME, else the first on PATH. None if there is none."""
    home = os.environ.get("JAVA_HOME")
    path = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if path is None or not os.access(path, os.X_OK):
        return None
    return Java(Path(path), f"JAVA_HOME={home}" if home else "PATH", _version_of(path))


def _version_of(path: str) -> int | None:
    try:
        asked = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = _VERSION.search(asked.stderr)
    return int(said[1]) if said else None

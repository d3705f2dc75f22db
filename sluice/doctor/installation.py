"""Whether what is installed is what was locked, whether the disk has room, and whether dbt can read its project."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata

from packaging.markers import Marker
from packaging.requirements import Requirement

from sluice.doctor.finding import Finding, fail, ok, warn
from sluice.marts.dbt import run
from sluice.project import dbt_size, paths
from sluice.project.datasets import contracts
from sluice.project.derived import stale_files
from sluice.project.paths import home
from sluice.warehouse.warehouse import Warehouse

LOCK = "requirements/runtime.txt"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)\s*(?:;\s*([^\\]+))?", re.MULTILINE)
LITTLE, TOO_LITTLE = 5.0, 1.0  # GB free; a month's download, its incoming table and a side of the marts need about 2
GB = 1e9
DISTRIBUTION = "sluice-elt"  # the name `sluice` on the index is another project's
INSTALL = "python -m pip install --require-hashes --no-deps -r requirements/runtime.txt"
DERIVE = "Write them: sluice derive"


def versions() -> Iterator[Finding]:
    """Python and packages against what the project allows, and against the lock."""
    about = metadata.metadata(DISTRIBUTION)
    yield ok("versions", f"sluice {about['Version']}, Python {sys.version.split()[0]}")
    wrong = [said for line in metadata.requires(DISTRIBUTION) or () if (said := _outside(Requirement(line)))]
    if wrong:
        yield fail("versions", f"not supported by Sluice: {'; '.join(wrong)}", f"Install what is locked: {INSTALL}")
    lock = paths.root() / LOCK
    if not lock.exists():
        return
    pins = PINNED.findall(lock.read_text(encoding="utf-8"))
    meant = [(name, pin) for name, pin, marker in pins if not marker or Marker(marker.strip()).evaluate()]
    other = [f"{name} {_installed(name) or 'missing'} (locked {pin})" for name, pin in meant if _installed(name) != pin]
    if other:
        listed = "; ".join(other[:5]) + (f"; and {len(other) - 5} more" if len(other) > 5 else "")
        yield warn("versions", f"different from the lock: {listed}", f"Install what is locked: {INSTALL}")
    else:
        yield ok("versions", f"all {len(meant)} packages match the lock")


def _outside(wanted: Requirement) -> str:
    if wanted.marker is not None and not wanted.marker.evaluate():
        return ""
    found = _installed(wanted.name)
    if found is not None and wanted.specifier.contains(found, prereleases=True):
        return ""
    return f"{wanted.name} {found or 'is missing'} (needs {wanted.specifier})"


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def disk() -> Iterator[Finding]:
    """Room where downloads, dbt's files, the site and the embedded warehouse lie."""
    place = home()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / GB
    said, advice = f"{free:.1f} GB free at {home()}", "Free disk space, or set SLUICE_HOME to a larger disk"
    if free < TOO_LITTLE:
        yield fail("disk", said, advice)
    elif free < LITTLE:
        yield warn("disk", said, advice)
    else:
        yield ok("disk", said)


def dbt_project(warehouse: Warehouse) -> Iterator[Finding]:
    """Whether dbt parses the project, and whether the files derived from contracts are up to date."""
    stale = stale_files(contracts().values())
    if stale:
        names = ", ".join(path.name for path in stale)
        yield fail("dbt", f"derived files are missing or not as the contracts say: {names}", DERIVE, 5)
    run.run_dbt(["parse"], run.on_side(warehouse, "dev"))
    yield ok("dbt", f"the project parses: {dbt_size.of_project(home())}")

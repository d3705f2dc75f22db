"""Show which direct dependencies have a newer version on the package index, and what holds each back."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
OURS = "sluice-elt"


def main() -> None:
    """One line a package that is behind: what is installed, what is newest, what holds it."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    ceilings = project["tool"]["sluice"]["ceilings"]
    direct = {canonicalize_name(Requirement(line).name) for line in _direct(project)}
    command = [sys.executable, "-m", "uv", "pip", "list", "--outdated", "--format", "json", "--quiet"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    behind = [package for package in found if canonicalize_name(package["name"]) in direct]
    for package in behind:
        name, newest = package["name"], package["latest_version"]
        held = [f"{who} ({ceilings[name]['why']})" if who == OURS else who for who in _held_by(name, newest)]
        reason = "; ".join(held) or "nothing: make lock"
        sys.stdout.write(f"{name:24} {package['version']:>12} -> {newest:12} held by {reason}\n")
    others = len(found) - len(behind)
    sys.stdout.write(f"{len(behind)} of {len(direct)} direct dependencies are behind, and {others} that these bring.\n")


def _direct(project: dict) -> Iterator[str]:
    yield from project["project"]["dependencies"]
    for lines in (*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values()):
        yield from lines


def _held_by(name: str, version: str) -> list[str]:
    """The installed packages whose metadata does not allow this version, with what they allow."""
    found = {}
    for each in distributions():
        for line in each.requires or ():
            needs = Requirement(line)
            if canonicalize_name(needs.name) == canonicalize_name(name) and version not in needs.specifier:
                who = canonicalize_name(each.metadata["Name"])
                found[who] = who if who == OURS else f"{who} ({needs.specifier})"
    return sorted(found.values())


if __name__ == "__main__":
    main()

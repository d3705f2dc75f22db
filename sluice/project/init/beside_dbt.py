"""`sluice init --dbt`: Sluice beside a dbt project that is there. Adds marked files; changes one line, if asked to."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import yaml

from sluice.contract.derive.schemas import MARTS, OPS, QUARANTINE
from sluice.contract.errors import ConfigError, ToolError
from sluice.project import atomic, paths, settings
from sluice.project.init import template
from sluice.project.init.write import Written, refuse_within_another, write_new

PROJECT, PROFILES = "dbt_project.yml", "profiles.yml"
MACRO = re.compile(r"^(?P<before>.*\{%-?\s*macro\s+)generate_schema_name(?P<after>\s*\([^\r\n]*)", re.M)
PRODUCTION = ("prod", "production")
TARGET = """[dbt]
target = "prod" # for a project that asks for target.name; without it, `embedded` or `postgres`
"""
TAKEN = ("public", "sluice_staging", QUARANTINE, OPS)  # others have objects there, or Sluice does
OURS, THEIRS = "schemas_of_sides.sql", "project_schema_name"


@dataclass(frozen=True, slots=True)
class Patch:
    """The one line of a project's own generate_schema_name that must change, so that Sluice's can call it."""

    file: Path
    old: str
    new: str
    applied: bool = False

    def shown(self, root: Path) -> str:
        """As `diff` shows it."""
        name = os.path.relpath(self.file, root)
        return f"--- {name}\n+++ {name}\n-{self.old}\n+{self.new}"


def init(folder: Path, dbt: Path, *, patch: bool = False) -> tuple[Written, Patch | None]:
    """Write what Sluice needs beside a dbt project, where it is missing.

    Where the project already has a generate_schema_name, Sluice's macro is added only with the patch: two of one
    name would break the project.

    Returns:
        What was written, and the line to change, if there is one.

    Raises:
        ConfigError: there is no dbt project, it is not on PostgreSQL, or the folder is another project's.
        ToolError: a file cannot be written.
    """
    root, project = folder.expanduser().absolute(), dbt.expanduser().absolute()
    refuse_within_another(root)
    facts = _facts(project)
    profile = facts.get("profile")
    if not isinstance(profile, str):
        raise ConfigError(f"{project / PROJECT}: it names no profile, which dbt needs: add the line profile: NAME")
    outputs = _outputs(project, profile)
    texts = dict(_texts(root, project, profile, outputs))
    found = _own_macro(project, facts)
    if found is None or patch:
        texts[_macros(project, facts)[0] / "sluice" / OURS] = template.starter(OURS)
    if found is not None and patch:
        found = _apply(found)  # first: what cannot be changed leaves nothing written
    wrote = [place for place, text in texts.items() if write_new(place, text)]
    shown = {place: os.path.relpath(place, root) for place in texts}
    written = tuple(shown[place] for place in wrote)
    return Written(root, written, tuple(name for name in shown.values() if name not in written)), found


def _facts(project: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load((project / PROJECT).read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError(f"{project} is not a dbt project: it has no {PROJECT}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{project / PROJECT} cannot be read: {error}") from None
    return found if isinstance(found, dict) else {}


def _outputs(project: Path, profile: str) -> Mapping[str, Any]:
    """The targets of the profile that the project has been run with; none where it is not found.

    Raises:
        ConfigError: it is for another database.
    """
    places = [os.environ.get("DBT_PROFILES_DIR"), str(project), "~/.dbt"]
    for place in (Path(each).expanduser() / PROFILES for each in places if each):
        try:
            found = yaml.safe_load(place.read_text(encoding="utf-8"))
            outputs = {name: each for name, each in found[profile]["outputs"].items() if isinstance(each, dict)}
        except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
            continue
        kinds = sorted({str(output.get("type")) for output in outputs.values()})
        if kinds and "postgres" not in kinds:
            raise ConfigError(
                f"the dbt project is for {', '.join(kinds)} (profile {profile!r} in {place}), and Sluice publishes on "
                "PostgreSQL only. Nothing was written"
            )
        return outputs
    return {}


def _schema(outputs: Mapping[str, Any]) -> str:
    """The schema that readers have now: of the target for production, or of the only one; else `marts`."""
    named = [outputs[name] for name in PRODUCTION if name in outputs] or [*outputs.values()]
    found = str(named[0].get("schema")) if len(named) == 1 else ""
    return found if re.fullmatch(r"[a-z_][a-z0-9_]*", found) and found not in TAKEN else MARTS


def _texts(root: Path, project: Path, profile: str, outputs: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    known = (root / paths.MARK).is_file()
    there = paths.project_in(root) if known else None
    if there is not None and there.folder("dbt_project").resolve() != project.resolve():
        raise ConfigError(f"{root / paths.MARK} is of another dbt project, {there.folder('dbt_project')}")
    folder = there.folder("profiles") if there is not None else root / "profiles"
    if there is None and (folder / PROFILES).exists():
        folder = root / "sluice_profiles"
    values = {
        "id": settings.new_id(root.name),
        "dbt": Path(os.path.relpath(project, root)).as_posix(),
        "profiles": folder.name,
        "marts": _schema(outputs),
        "target": TARGET if PRODUCTION[0] in outputs else "".join(f"# {line}\n" for line in TARGET.splitlines()),
    }
    yield root / paths.MARK, Template(template.starter("beside_dbt.toml")).substitute(values)
    yield folder / PROFILES, _profiles(profile)
    diff = template.starter("diff.yml").replace("`sluice init`", "`sluice init --dbt`")
    yield root / template.DIFF, Template(diff).safe_substitute(version=version("sluice-elt"))
    yield root / ".sluice" / ".gitignore", template.IGNORED.replace("`sluice init`", "`sluice init --dbt`")


def _profiles(profile: str) -> str:
    """Sluice's profiles under the name that the project asks for, with a target `prod`."""
    text = (template.root() / "profiles" / PROFILES).read_text(encoding="utf-8")
    named = profile if re.fullmatch(r"[A-Za-z_]\w*", profile) else json.dumps(profile)
    text = text.replace("\nsluice:\n", f"\n{named}:\n", 1)
    schema = "schema: \"{{ env_var('SLUICE_DBT_SCHEMA') }}\""
    prod = f"    prod: # for [dbt] target in sluice.toml\n      <<: *connection\n      {schema}\n"
    return f"# Written by `sluice init --dbt`.\n{text.rstrip()}\n{prod}"


def _macros(project: Path, facts: Mapping[str, Any]) -> list[Path]:
    return [project / str(each) for each in facts.get("macro-paths") or ["macros"]]


def _own_macro(project: Path, facts: Mapping[str, Any]) -> Patch | None:
    for folder in _macros(project, facts):
        for file in sorted(folder.rglob("*.sql")):
            line = None if file.name == OURS else MACRO.search(_text(file))
            if line is not None:
                return Patch(file, line[0], f"{line['before']}{THEIRS}{line['after']}")
    return None


def _text(file: Path) -> str:
    """Its text, with the ends of its lines as they are in the file.

    Raises:
        ConfigError: it is not UTF-8, which dbt would not read either.
        ToolError: it cannot be read.
    """
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8: {error.reason} at byte {error.start}. Nothing was written") from None
    except OSError as error:
        raise ToolError(f"{file} cannot be read: {error.strerror or error}. Nothing was written") from None


def _apply(patch: Patch) -> Patch:
    text, place = _text(patch.file).replace(patch.old, patch.new, 1), patch.file.resolve()
    try:
        with place.open("r+b"), atomic.replacing(place) as fresh:  # opened, for a file that is read-only stays as it is
            fresh.write_bytes(text.encode())
            shutil.copymode(place, fresh)
    except OSError as error:
        raise ToolError(f"{patch.file} cannot be changed: {error.strerror or error}. Nothing was written") from None
    return Patch(patch.file, patch.old, patch.new, applied=True)

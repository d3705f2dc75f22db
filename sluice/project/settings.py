"""sluice.toml, read and checked: the project's id, the names of its schemas and folders. Imports nothing slow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice.contract.derive.schemas import DEFAULT, Schemas
from sluice.contract.errors import ConfigError
from sluice.project.marts import settings as marts
from sluice.project.marts.settings import NO_LIMITS, MartSettings

FILE = "sluice.toml"
FOLDERS = {"contracts": "contracts", "flows": "flows", "dbt_project": "dbt_project", "profiles": "profiles"}
KEYS = {
    "project": ("id",),
    "warehouse": ("engine", "spark_block"),
    "schemas": tuple(DEFAULT.translation),
    "paths": tuple(FOLDERS),
    "sources": ("hosts", "folders"),
    "dbt": ("runner", "executable", "build", "target"),
    "marts": ("models", "schemas", "internal", "gate"),
}
ENGINES = ("postgres", "spark")  # what holds the rows; the first is the default
SPARK_BLOCK = "spark-engine"  # slug of the type of block that `spark_block` names
RUNNERS = ("in-process", "process")  # how dbt is run; the first is the default
BUILDS = ("all", "changed")  # which nodes a build runs; the first is the default
LISTS = ("sources",)  # tables whose values are lists of texts
ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
# PostgreSQL cuts names at 63 bytes in silence, and `__live`, `__a` and `__b` are added to the names of what dbt builds.
SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,56}")


@dataclass(frozen=True)
class Settings:
    """What a project's sluice.toml says.

    Attributes:
        engine: one of ENGINES, where SLUICE_ENGINE does not choose another.
        spark_block: name of the Prefect block for the engine "spark".
        folders: by what is in them; only those that are not where FOLDERS says.
        sources: private hosts and folders that files may come from.
        runner: one of RUNNERS.
        build: one of BUILDS.
        dbt_executable: another dbt than the one beside Sluice, for the runner "process".
        dbt_target: the target in profiles.yml; one that names the kind of warehouse if not given.
        marts: which models they are, and how much they may change before a publish waits for a person.
    """

    path: Path
    id: str | None = None
    schemas: Schemas = DEFAULT
    engine: str = ENGINES[0]
    spark_block: str | None = None
    folders: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    runner: str = RUNNERS[0]
    build: str = BUILDS[0]
    dbt_executable: Path | None = None
    dbt_target: str | None = None
    marts: MartSettings = NO_LIMITS

    @property
    def project_id(self) -> str:
        """The project's id, under which its schemas are marked.

        Raises:
            ConfigError: sluice.toml has none.
        """
        if self.id is None:
            raise ConfigError(
                f"{self.path}: [project] id is missing: Sluice marks the project's schemas with it. "
                f'Add these two lines, and keep the id from then on:\n[project]\nid = "{new_id(self.path.parent.name)}"'
            )
        return self.id


def read(path: Path) -> Settings:
    """The settings in a sluice.toml.

    Raises:
        ConfigError: it cannot be read, or has a table, key or value that is not known; names file and key.
    """
    import tomllib  # here, as the others below: `sluice --help` reads no project

    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    for table, values in found.items():
        if table not in KEYS:
            raise ConfigError(f"{path}: unknown table [{table}]{_meant(table, tuple(KEYS))}")
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: {table} must be a table: [{table}]")
        for key, value in values.items():
            if key not in KEYS[table]:
                raise ConfigError(f"{path}: unknown key {key!r} in [{table}]{_meant(key, KEYS[table])}")
            _refuse_other_kinds(path, table, key, value)
    chosen = marts.read(path, found.get("marts", {}))
    if chosen.schemas is not None and found.get("dbt", {}).get("build") == "changed":
        raise ConfigError(f'{path}: [dbt] build = "changed" is not possible with [marts] schemas; leave it out')
    return Settings(
        path,
        id=_matching(path, "project", found, "id", ID, "up to 40 of a-z, 0-9, _ and -"),
        schemas=_schemas(path, found, chosen),
        **_warehouse(path, found.get("warehouse", {})),
        folders=found.get("paths", {}),
        sources={key: tuple(listed) for key, listed in found.get("sources", {}).items()},
        marts=chosen,
        **_dbt(path, found.get("dbt", {})),
    )


def _warehouse(path: Path, found: Mapping[str, str]) -> dict[str, Any]:
    engine, block = found.get("engine", ENGINES[0]), found.get("spark_block")
    if engine not in ENGINES:
        known = " or ".join(map(repr, ENGINES))
        raise ConfigError(f"{path}: [warehouse] engine = {engine!r} is not valid: write {known}")
    if engine == "spark" and block is None:
        added = 'add spark_block = "NAME" below it, and create that block: sluice setup'
        raise ConfigError(f"{path}: [warehouse] engine = 'spark' needs the name of a block `Spark engine`: {added}")
    if block is not None and "/" in block:
        name = block.rpartition("/")[2]
        raise ConfigError(f"{path}: [warehouse] spark_block is a name without its type: write {name!r}")
    return {"engine": engine, "spark_block": block}


def _dbt(path: Path, found: Mapping[str, str]) -> dict[str, Any]:
    runner, executable = found.get("runner", RUNNERS[0]), found.get("executable")
    if runner not in RUNNERS:
        raise ConfigError(f"{path}: [dbt] runner = {runner!r} is not valid: write {' or '.join(map(repr, RUNNERS))}")
    build = found.get("build", BUILDS[0])
    if build not in BUILDS:
        raise ConfigError(f"{path}: [dbt] build = {build!r} is not valid: write {' or '.join(map(repr, BUILDS))}")
    if executable is None:
        return {"runner": runner, "build": build, "dbt_target": found.get("target")}
    if runner == RUNNERS[0]:
        raise ConfigError(f"{path}: [dbt] executable is the path of another dbt, and needs runner = {RUNNERS[1]!r}")
    dbt = path.parent / Path(executable).expanduser()
    return {"runner": runner, "build": build, "dbt_target": found.get("target"), "dbt_executable": dbt}


def _refuse_other_kinds(path: Path, table: str, key: str, value: object) -> None:
    if table == "marts":
        return  # its values are of several kinds, which `marts.read` checks
    if table in LISTS:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ConfigError(f"{path}: [{table}] {key} must be a list of texts, not {value!r}")
    elif not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{path}: [{table}] {key} must be a text, not {value!r}")


def new_id(name: str) -> str:
    """An id for a new project: its folder's name, and eight random hexadecimal digits."""
    import secrets

    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24].rstrip("-")
    return f"{slug or 'project'}-{secrets.token_hex(4)}"


def _schemas(path: Path, found: Mapping[str, Any], chosen: MartSettings) -> Schemas:
    spelt = "a-z, 0-9 and _, not a digit first, at most 57 characters"
    named = {key: _matching(path, "schemas", found, key, SCHEMA, spelt) for key in KEYS["schemas"]}
    ours = {key: name for key, name in named.items() if name}
    for name in (*(chosen.schemas or ()), *chosen.internal):
        if not SCHEMA.fullmatch(name):
            raise ConfigError(f"{path}: [marts] schema {name!r} is not valid: {spelt}")
    main = ours.get("marts", DEFAULT.marts)
    others = {key: tuple(n for n in dict.fromkeys(names) if n != main) for key, names in _further(chosen).items()}
    schemas = Schemas(**ours, **others)  # type: ignore[arg-type]
    for name in schemas.all:
        if name.startswith("pg_") or name in ("information_schema", "public"):
            raise ConfigError(f"{path}: [schemas] {name!r} is PostgreSQL's own or everybody's; choose another name")
    twice = next((name for name in schemas.all if schemas.all.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{path}: [schemas] names {twice!r} twice; each needs a separate schema")
    taken = next((key for key, name in named.items() if name in DEFAULT.all and name != getattr(DEFAULT, key)), None)
    if taken is not None:  # a statement under default names would be translated twice
        raise ConfigError(f"{path}: [schemas] {taken} = {named[taken]!r} is another one's default name; choose another")
    return schemas


def _further(chosen: MartSettings) -> dict[str, tuple[str, ...]]:
    return {"others": chosen.schemas or (), "internal": chosen.internal}


def _matching(
    path: Path, table: str, found: Mapping[str, Any], key: str, pattern: re.Pattern[str], spelt: str
) -> str | None:
    value = found.get(table, {}).get(key)
    if value is not None and not pattern.fullmatch(value):
        raise ConfigError(f"{path}: [{table}] {key} = {value!r} is not valid: {spelt}")
    return value


def _meant(name: str, known: tuple[str, ...]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    return f": did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"

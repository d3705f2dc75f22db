"""The table [marts] of sluice.toml: which models are marts, their schemas, and how much they may change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sluice.contract.errors import ConfigError

DEFAULT = "models/marts"  # where marts are


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a mart may change, as shares from 0 to 1 or more; None is without limit.

    Attributes:
        added, removed, changed: rows, as a share of those that readers have.
        null_share: how far a column's share of nulls may move.
        total: how far a column's total may move, as a share of what it was.
    """

    added: float | None = None
    removed: float | None = None
    changed: float | None = None
    null_share: float | None = None
    total: float | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return any(getattr(self, each.name) is not None for each in fields(self))


@dataclass(frozen=True, slots=True)
class MartSettings:
    """What [marts] says.

    Attributes:
        models: folders and files of the dbt project, `tag:NAME` and `selector:NAME`; a model that any means is a mart.
        schemas: what dbt builds and readers read, by the names that the project's own generate_schema_name gives them;
            None where Sluice's macro puts all models into one schema.
        internal: what dbt builds and nobody reads.
    """

    gate: Limits
    models: tuple[str, ...] = (DEFAULT,)
    schemas: tuple[str, ...] | None = None
    internal: tuple[str, ...] = ()


NO_LIMITS = MartSettings(Limits())
GATE = tuple(each.name for each in fields(Limits))


def read(path: Path, found: Mapping[str, Any]) -> MartSettings:
    """The table, checked.

    Raises:
        ConfigError: a limit is not known, or is not a number from 0 up; another value is not a list of texts.
    """
    lists = {key: _list(path, key, found[key]) for key in ("models", "schemas", "internal") if key in found}
    if lists.get("internal") and lists.get("schemas") is None:
        raise ConfigError(f"{path}: [marts] internal needs [marts] schemas beside it: the schemas that readers read")
    return MartSettings(_limits(path, found.get("gate", {})), **lists)


def _list(path: Path, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
        raise ConfigError(f"{path}: [marts] {key} must be a list of texts, not {value!r}")
    if key == "models" and not value:
        raise ConfigError(f"{path}: [marts] models names no model; leave it out for those of models/marts")
    return tuple(value)


def _limits(path: Path, gate: object) -> Limits:
    if not isinstance(gate, dict):
        raise ConfigError(f"{path}: [marts] gate must be a table, such as gate = {{removed = 0.01}}, not {gate!r}")
    for name, limit in gate.items():
        if name not in GATE:
            raise ConfigError(f"{path}: unknown limit {name!r} in [marts] gate; known are {', '.join(GATE)}")
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit >= 0:
            raise ConfigError(f"{path}: [marts] gate: {name} = {limit!r} must be a share such as 0.05, which is 5%")
    return Limits(**{name: float(limit) for name, limit in gate.items()})

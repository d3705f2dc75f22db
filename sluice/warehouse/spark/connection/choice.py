"""Which engine a project chooses, and what of Sluice the engine Spark does so far. Imports nothing slow."""

from __future__ import annotations

import os

from sluice.contract.errors import ConfigError
from sluice.project import paths
from sluice.project.settings import ENGINES, FILE
from sluice.warehouse.engine import Capability

VARIABLE = "SLUICE_ENGINE"
SPARK = "spark"
CAN: frozenset[Capability] = frozenset()  # of what is asked for by name; docs/scale.md says the same


def engine() -> str:
    """One of ENGINES: what SLUICE_ENGINE says, else sluice.toml.

    Raises:
        ConfigError: SLUICE_ENGINE is not one of them.
    """
    said = os.environ.get(VARIABLE)
    if said and said not in ENGINES:
        raise ConfigError(f"{VARIABLE}={said!r} is not valid: write {' or '.join(map(repr, ENGINES))}")
    return said or paths.project().settings.engine


def spark_block() -> str | None:
    """The name of the block of the engine Spark; None if PostgreSQL holds the rows.

    Raises:
        ConfigError: the choice is not valid, this Python is too new for Spark, or no block is named.
    """
    if engine() != SPARK:
        return None
    from sluice.warehouse.spark.connection import machine

    machine.refuse_python()
    settings = paths.project().settings
    if settings.spark_block is None:
        raise ConfigError(
            f'{VARIABLE}={SPARK} needs the name of a block `Spark engine`: add spark_block = "NAME" under '
            f"[warehouse] in {settings.path}, and create that block: sluice setup"
        )
    return settings.spark_block


def need(capability: Capability) -> None:
    """Nothing, where the project's engine can do this.

    Raises:
        ConfigError: it cannot; says which engine can. Or as `spark_block`.
    """
    if spark_block() is not None and capability not in CAN:
        raise ConfigError(
            f'the engine {SPARK!r} cannot {capability} yet. {VARIABLE}=postgres, or engine = "postgres" under '
            f"[warehouse] in {FILE}, chooses PostgreSQL; docs/scale.md lists what each can do"
        )

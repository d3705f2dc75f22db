"""The Prefect block `Spark engine`: the Spark and the lake of a project. Imports nothing of Spark."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field, ValidationError, ValidationInfo, field_validator

from sluice.contract.errors import ConfigError
from sluice.project.settings import SPARK_BLOCK
from sluice.warehouse.spark.connection import jars
from sluice.warehouse.spark.lake import AT_START, CATALOGUE, Lake

MASTER = re.compile(r"local(\[.+\])?|(spark|k8s)://\S+|yarn")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://?\S+")
# Ends of names whose values nobody should see: Iceberg's, Hadoop's.
SECRET = re.compile(r"(password|secret|token|credential|secret[.-]?(access[.-]?)?key|account[.-]?key)$", re.IGNORECASE)
IN_ADDRESS = re.compile(r"(password|secret|token)=|://[^/@\s]+:[^/@\s]+@", re.IGNORECASE)


class SparkEngine(Block):
    """Spark 3.5 and the Iceberg catalogue that hold a project's rows, for `engine = "spark"` in sluice.toml."""

    _block_type_name: ClassVar[str] = "Spark engine"
    _block_type_slug: ClassVar[str] = SPARK_BLOCK
    _description: ClassVar[str] = "Spark 3.5 and the Iceberg catalogue that hold the rows of a Sluice project."

    master: str = Field(
        default="local[2]",
        title="Master",
        description="Where Spark runs: on this machine, or on a cluster.",
        examples=["local[2]", "spark://spark.example.com:7077"],
    )
    warehouse: str = Field(
        default=...,
        title="Warehouse",
        description="URI of the folder that tables lie in; every machine of the cluster reaches it.",
        examples=["s3://lake/warehouse", "file:///srv/lake"],
    )
    catalogue: dict[str, str] = Field(
        default=...,
        title="Catalogue",
        description="Properties of the Iceberg catalogue, by Iceberg's names. Secrets belong below.",
        examples=[{"type": "rest", "uri": "https://catalogue.example.com"}],
    )
    jars: list[str] = Field(
        default_factory=list,
        title="Jars",
        description="Paths of jars, the same on every machine: JDBC drivers; Iceberg's runtime, if another than the "
        "installed package's.",
        examples=[["/usr/share/java/postgresql.jar"]],
    )
    settings: dict[str, str] = Field(
        default_factory=dict,
        title="Settings",
        description="Further settings of Spark.",
        examples=[{"spark.executor.memory": "4g"}],
    )
    secrets: SecretDict = Field(
        default_factory=lambda: SecretDict({}),
        title="Secrets",
        description="Further properties of the catalogue (credential, token, jdbc.password), and settings of Spark "
        "(names that begin with spark.) that nobody should see.",
    )

    @field_validator("master")
    @classmethod
    def _is_master(cls, value: str) -> str:
        if not MASTER.fullmatch(value):
            raise ValueError("expected local[2], spark://host:7077, yarn or k8s://...")
        return value

    @field_validator("warehouse")
    @classmethod
    def _is_uri(cls, value: str) -> str:
        if value.startswith("/"):
            return Path(value).as_uri()
        if not SCHEME.fullmatch(value):
            raise ValueError("expected a URI, such as s3://bucket/folder or file:///folder")
        return value.rstrip("/")

    @field_validator("catalogue")
    @classmethod
    def _is_catalogue(cls, value: dict[str, str]) -> dict[str, str]:
        if not {"type", "catalog-impl"} & set(value):
            raise ValueError("type is missing: rest, nessie, hive or jdbc, which keep views; or catalog-impl, a class")
        if "warehouse" in value:
            raise ValueError("warehouse is a field of the block, and not to be repeated here")
        _refuse_secrets(value)
        return value

    @field_validator("settings")
    @classmethod
    def _are_settings(cls, value: dict[str, str]) -> dict[str, str]:
        _refuse_foreign(value)
        _refuse_secrets(value)
        return value

    @field_validator("secrets")
    @classmethod
    def _are_secret_settings(cls, value: SecretDict, info: ValidationInfo) -> SecretDict:
        found = value.get_secret_value()
        if any(not isinstance(each, str) for each in found.values()):
            raise ValueError("each value must be a text")
        _refuse_foreign(dict(_of_spark(found)))
        if shown := sorted(name for name in found if name.startswith(AT_START)):
            raise ValueError(f"{', '.join(shown)}: stands on Spark's command line, which every user can read")
        if twice := sorted(set(found) & {*info.data.get("catalogue", {}), *info.data.get("settings", {})}):
            raise ValueError(f"{', '.join(twice)}: give it in one place only")
        return value

    def lake(self) -> Lake:
        """What sessions are started with, secrets revealed."""
        secrets = self.secrets.get_secret_value()
        of_spark = dict(_of_spark(secrets))
        of_catalogue = {name: value for name, value in secrets.items() if name not in of_spark}
        return Lake(
            master=self.master,
            catalogue={**self.catalogue, **of_catalogue},
            warehouse=self.warehouse,
            jars=jars.with_runtime(self.jars),
            settings={**self.settings, **of_spark},
        )


def load(name: str) -> SparkEngine:
    """The block of this name.

    Raises:
        ConfigError: it does not exist, or holds what is not valid.
    """
    try:
        found: Any = SparkEngine.load(name)
    except ValidationError as error:  # its text has the values
        why = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    except ValueError as error:
        why = str(error).strip().splitlines()[0]
    else:
        return found
    raise ConfigError(
        f"block {SPARK_BLOCK}/{name} cannot be used: {why.rstrip('.')}. Create it, or correct it: sluice setup"
    )


def _of_spark(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in values.items() if name.startswith("spark."))


def _refuse_secrets(values: Mapping[str, str]) -> None:
    if found := sorted(name for name in values if SECRET.search(name)):
        raise ValueError(f"{', '.join(found)}: give it in secrets, where nobody sees it")
    if found := sorted(name for name, value in values.items() if IN_ADDRESS.search(value)):
        raise ValueError(
            f"{', '.join(found)}: the value holds a secret: leave it out, and give jdbc.password in secrets"
        )


def _refuse_foreign(settings: Mapping[str, str]) -> None:
    from sluice.warehouse.spark.dialect import SETTINGS  # here: Prefect's server and workers import this module

    for name, value in settings.items():
        if not name.startswith("spark."):
            raise ValueError(f"{name} is not a setting of Spark: they begin with spark.")
        if name in SETTINGS and value != SETTINGS[name]:
            raise ValueError(f"{name} must be {SETTINGS[name]}: with another value, checks mean something else")
        if name.startswith(f"spark.sql.catalog.{CATALOGUE}"):
            raise ValueError(f"{name} is for the fields catalogue, warehouse and secrets")

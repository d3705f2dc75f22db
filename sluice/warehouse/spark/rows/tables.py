"""The tables of a dataset in the lake: what they are called, made, and changed where that loses no value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from sluice.contract.contract import Contract
from sluice.contract.derive.schemas import Schemas
from sluice.contract.derive.tables import parent_table
from sluice.contract.errors import ConfigError
from sluice.warehouse.spark.dialect import SparkDialect, spark_sql
from sluice.warehouse.spark.lake import CATALOGUE, Lake
from sluice.warehouse.spark.load import Load

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOAD = "sluice.load"  # the property of a snapshot that says which load it is of
# A write is of one batch or one load, so that nothing has to be brought together by partition first.
PROPERTIES = {"format-version": "2", "write.distribution-mode": "none"}
QUARANTINE = {
    "_batch": "STRING",
    "_row_number": "BIGINT",
    "_reasons": "ARRAY<STRING>",
    "_row": "STRING",
    "_contract_version": "STRING",
    "_load_id": "BIGINT",
    "_status": "STRING",
    "_quarantined_at": "TIMESTAMP_LTZ",
}


@dataclass(frozen=True)
class Tables:
    """The tables of one dataset, and the session that works on them."""

    session: SparkSession
    lake: Lake
    contract: Contract
    schemas: Schemas

    @property
    def published(self) -> str:
        """What readers of `staging` read."""
        return f"`{CATALOGUE}`.`{self.schemas.staging}`.`{self.contract.dataset_id}`"

    @property
    def quarantine(self) -> str:
        """Every rejected row, once, with every check it failed."""
        return f"`{CATALOGUE}`.`{self.schemas.quarantine}`.`{self.contract.dataset_id}`"

    def load(self, batch: str, number: int | str) -> Load:
        """Where the rows of a load are, before there is a verdict."""
        landed = self.lake.landed(self.contract.dataset_id, number)
        return Load(self.session, self.contract, batch, landed, f"{landed}_findings", self.schemas.staging)

    def iceberg(self, table: str) -> Any:
        """Iceberg's own object of a table, for what its SQL has no words for."""
        java: Any = self.session._jvm
        session: Any = self.session._jsparkSession
        return java.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(session, table.replace("`", ""))


def make(tables: Tables) -> None:
    """Make them where they are missing, and change the table of published rows, if all of the change is safe.

    Safe is a new column, and a type that holds every value of the old one exactly and that Iceberg changes in place.
    """
    for schema in (tables.schemas.staging, tables.schemas.quarantine):
        tables.session.sql(f"CREATE NAMESPACE IF NOT EXISTS `{CATALOGUE}`.`{schema}`")
    _create(tables, tables.quarantine, QUARANTINE, "_load_id")
    _create(tables, tables.published, wanted(tables.contract), "_batch")
    table = tables.iceberg(tables.published)
    if table.currentSnapshot() is None:  # branches begin at a snapshot, and are published onto one that has it
        table.newFastAppend().commit()
    found = columns_of(tables, tables.published)
    retyped = dict(_retyped(tables, found))
    if _gone(tables, found) or not all(_in_place(old, new) for old, new in retyped.values()):
        return  # `verify` refuses it
    gained = [f"`{name}` {kind}" for name, kind in wanted(tables.contract).items() if name not in found]
    if gained:
        tables.session.sql(f"ALTER TABLE {tables.published} ADD COLUMNS ({', '.join(gained)})")
    for name, (_, new) in retyped.items():
        tables.session.sql(f"ALTER TABLE {tables.published} ALTER COLUMN `{name}` TYPE {new}")


def verify(tables: Tables) -> None:
    """Nothing, if the table of published rows is as the contract says.

    Raises:
        ConfigError: the contract retypes a column or has none any more; says what the change takes.
    """
    found, table = columns_of(tables, tables.published), tables.published.replace("`", "")
    needs = [
        f"{name} is {new} in the contract, {old} in {table}. "
        + (
            "No value would be lost, and the next run changes the type."
            if _in_place(old, new)
            else "Iceberg does not change this type in place: give the column another name in the contract"
        )
        for name, (old, new) in _retyped(tables, found)
    ]
    needs += [
        f"{name} is in {table}, but not in the contract. Put it back, as Optional if files come without it; or, if "
        f"nobody needs its values any more: ALTER TABLE {table} DROP COLUMN `{name}`"
        for name in _gone(tables, found)
    ]
    needs += [f"{name} is missing in {table}; the next run adds it" for name in _missing(tables, found)]
    if needs:
        needs.append("Any client of Spark with the catalogue runs a statement")
        raise ConfigError(
            f"{tables.contract}: its table is not as the contract says; nothing was loaded\n  " + "\n  ".join(needs)
        )


def wanted(contract: Contract) -> dict[str, str]:
    """The columns of published rows, with their types as Spark says them in a statement."""
    return {column.name: spark_type(column.type) for column in parent_table(contract).columns}


def spark_type(kind: TypeEngine) -> str:
    """A type in Spark's words. In a session of Sluice's, TIMESTAMP alone is one without a zone."""
    said = str(kind.compile(dialect=SparkDialect()))
    return "TIMESTAMP_LTZ" if said == "TIMESTAMP" else said


def spark_text(value: str) -> str:
    """A text as Spark reads it in a statement."""
    return spark_sql(sa.literal(value, sa.Text()))


def columns_of(tables: Tables, table: str) -> dict[str, str]:
    """The columns of a table or of a branch, with their types as Spark writes them."""
    return {field.name: field.dataType.simpleString() for field in tables.session.table(table).schema.fields}


def shown(kind: str) -> str:
    """A type of a statement as Spark writes it of a table."""
    return "timestamp" if kind == "TIMESTAMP_LTZ" else kind.replace(" ", "").lower()


def _create(tables: Tables, table: str, columns: Mapping[str, str], key: str) -> None:
    parts = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
    properties = ", ".join(f"'{name}' = '{value}'" for name, value in PROPERTIES.items())
    tables.session.sql(
        f"CREATE TABLE IF NOT EXISTS {table} ({parts}) USING iceberg PARTITIONED BY (`{key}`) "
        f"TBLPROPERTIES ({properties})"
    )


def _retyped(tables: Tables, found: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Columns whose type is not the contract's, each with that type and the contract's."""
    for name, kind in wanted(tables.contract).items():
        if name in found and found[name] != shown(kind):
            yield name, (found[name], shown(kind))


def _gone(tables: Tables, found: Mapping[str, str]) -> list[str]:
    return sorted(set(found) - set(wanted(tables.contract)))


def _missing(tables: Tables, found: Mapping[str, str]) -> list[str]:
    return sorted(set(wanted(tables.contract)) - set(found))


def _in_place(old: str, new: str) -> bool:
    """Whether Iceberg changes the type in place and no value is lost: a decimal with more digits before the point."""
    if not (old.startswith("decimal(") and new.startswith("decimal(")):
        return False
    (old_digits, old_scale), (new_digits, new_scale) = (
        map(int, kind.removeprefix("decimal(").removesuffix(")").split(",")) for kind in (old, new)
    )
    return old_scale == new_scale and new_digits >= old_digits


def sql_types(contract: Contract, found: Mapping[str, str]) -> dict[str, TypeEngine]:
    """The types of columns as a contract has them; where it has another or none, the one that Spark's name says."""
    own = {column.name: column.type.sql for column in contract.columns}
    return {
        name: own[name] if name in own and shown(spark_type(own[name])) == kind else _sql_type(kind)
        for name, kind in found.items()
    }


_PLAIN: Mapping[str, TypeEngine] = {
    "bigint": sa.BigInteger(),
    "double": sa.Double(),
    "string": sa.Text(),
    "boolean": sa.Boolean(),
    "date": sa.Date(),
    "timestamp_ntz": sa.DateTime(),
    "timestamp": sa.DateTime(timezone=True),
    "binary": sa.LargeBinary(),
}


def _sql_type(kind: str) -> TypeEngine:
    if kind in _PLAIN:
        return _PLAIN[kind]
    digits, scale = map(int, kind.removeprefix("decimal(").removesuffix(")").split(","))
    return sa.Numeric(digits, scale)

"""Batch: one load of one batch, as stages hand it on. And what the schemas are called where a connection goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sluice.contract.derive.schemas import DEFAULT, Schemas

SCHEMAS = "sluice_schemas"  # the execution option that carries them


@dataclass(frozen=True, slots=True)
class Batch:
    """One load of one batch: what tasks hand to each other."""

    dataset_id: str
    batch: str
    load_id: int
    rows: int = 0
    blank_lines: int = 0  # of its file, which are not rows

    def __str__(self) -> str:
        return f"{self.dataset_id} {self.batch}"


def options(schemas: Schemas) -> dict[str, Any]:
    """The execution options of an engine whose schemas have these names."""
    return {"schema_translate_map": schemas.translation, SCHEMAS: schemas}


def schemas_of(connection: sa.Connection) -> Schemas:
    """The names that schemas have where this connection goes."""
    found: Schemas = connection.get_execution_options().get(SCHEMAS, DEFAULT)
    return found

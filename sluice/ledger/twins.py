"""Batches whose tables would have one name, where `-` and `_` are the same."""

from __future__ import annotations

import sqlalchemy as sa

from sluice.contract.batches import EachFile
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError
from sluice.ledger.tables import batches


def refuse_twin(connection: sa.Connection, contract: Contract, batch: str) -> None:
    """Nothing, unless the batch's tables would have the name of another's that is held or published.

    Names of a calendar or of a dataset that is one file cannot meet; those of files can: `a-b` and `a_b`.

    Raises:
        ConfigError: they would.
    """
    if not isinstance(contract.files.batches, EachFile):
        return
    same = sa.func.replace(batches.c.batch, "-", "_") == batch.replace("-", "_")
    query = sa.select(batches.c.batch).where(batches.c.dataset == contract.dataset_id, same, batches.c.batch != batch)
    twin = connection.scalar(query.where(batches.c.status.in_(("held", "published"))).limit(1))
    if twin is not None:
        raise ConfigError(
            f"{contract} {batch}: batch {twin} was loaded before, and both would have one name for their tables; "
            "rename the file, so that the names differ by more than - and _"
        )

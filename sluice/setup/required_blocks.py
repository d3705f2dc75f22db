"""Which blocks a deployment needs, read from where they are named. Asks nobody, connects to nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from sluice.project.datasets import contracts
from sluice.project.settings import SPARK_BLOCK
from sluice.source.addresses import BLOCK, Address, expand, filled, scheme_of
from sluice.source.parts import several
from sluice.warehouse.connection import BLOCK_VARIABLE, TRANSFORMER_VARIABLE
from sluice.warehouse.reader import READER_VARIABLE
from sluice.warehouse.spark.connection import choice

Area = Literal["warehouse", "transformer", "reader", "engine", "channels", "storage"]
CONNECTOR = "sqlalchemy-connector"
OTHER_USERS: tuple[tuple[Area, str], ...] = (("transformer", TRANSFORMER_VARIABLE), ("reader", READER_VARIABLE))


@dataclass(frozen=True, slots=True)
class Wanted:
    """One block.

    Attributes:
        kind: slug of its type, as in `slack-webhook/data-team`.
        why: who needs it.
        address: for storage, one address that is read through it.
    """

    area: Area
    kind: str
    name: str
    why: str
    address: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def wanted() -> list[Wanted]:
    """The blocks of warehouse and engine, the owners' channels, the storage that files come from; each once."""
    found: list[Wanted] = []
    if name := os.environ.get(BLOCK_VARIABLE):
        found.append(Wanted("warehouse", CONNECTOR, name, BLOCK_VARIABLE))
        for area, variable in OTHER_USERS:
            if user := os.environ.get(variable):
                found.append(Wanted(area, CONNECTOR, user, variable))
    if lake := choice.spark_block():
        found.append(Wanted("engine", SPARK_BLOCK, lake, "the engine Spark"))
    for contract in contracts().values():
        if contract.alerts and contract.alerts.count("/") == 1:
            kind, name = contract.alerts.split("/")
            found.append(Wanted("channels", kind, name, f"alerts of {contract}"))
    for contract in contracts().values():
        if scheme_of(contract.files.url) == BLOCK:
            newest = contract.files.batches.due(datetime.now(UTC))[-1:]
            folder = [Address(filled(contract.files.url, contract, ""))] if not newest else []
            if several.is_of_several(contract.files.url):
                newest, folder = (), [Address(several.folder_of(contract.files.url, contract))]
            for address in (*expand(contract.files.url, contract, newest).values(), *folder):
                kind, name, _ = address.partition("://")[2].split("/", 2)
                found.append(Wanted("storage", kind, name, f"files of {contract}", address))
    return _each_once(found)


def _each_once(found: Iterable[Wanted]) -> list[Wanted]:
    """One for each block, with everybody who needs it."""
    once: dict[str, Wanted] = {}
    for block in found:
        known = once.get(str(block))
        once[str(block)] = replace(known, why=f"{known.why}, {block.why.split()[-1]}") if known else block
    return list(once.values())

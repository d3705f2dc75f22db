"""Which blocks a deployment needs, read from where they are named. Asks nobody, connects to nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from contracts.registry import contracts
from flows.addresses import BLOCK, expand, scheme_of
from flows.warehouse import BLOCK_VARIABLE

Area = Literal["warehouse", "channels", "storage"]
CONNECTOR = "sqlalchemy-connector"


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
    """The warehouse's block, the owners' channels, the storage that files come from; each once."""
    found: dict[str, Wanted] = {}
    if name := os.environ.get(BLOCK_VARIABLE):
        found[f"{CONNECTOR}/{name}"] = Wanted("warehouse", CONNECTOR, name, BLOCK_VARIABLE)
    for contract in contracts().values():
        if contract.alerts and contract.alerts.count("/") == 1:
            kind, name = contract.alerts.split("/")
            found.setdefault(contract.alerts, Wanted("channels", kind, name, f"alerts of {contract}"))
    for contract in contracts().values():
        if scheme_of(contract.files.url) == BLOCK:
            newest = contract.files.batches.due(datetime.now(UTC).date())[-1:]
            for address in expand(contract.files.url, contract, newest).values():
                kind, name, _ = address.partition("://")[2].split("/", 2)
                found.setdefault(f"{kind}/{name}", Wanted("storage", kind, name, f"files of {contract}", address))
    return list(found.values())

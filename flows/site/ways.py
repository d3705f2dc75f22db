"""Where each check is made, told in a sentence. Pure."""

from __future__ import annotations

from contracts.check_names import parse_check_name
from contracts.checks import Check
from contracts.contract import Contract
from contracts.gate import CANARY
from flows.findings import SHAPE_CHECK

WAYS = {
    "row": "Asked of each row, in one scan of the database.",
    "unique": "A grouped query, in the database.",
    "aggregate": "Asked of the whole batch, in the database.",
}


def way(contract: Contract, name: str, check: Check | None) -> str:
    """Of a check that the ledger or the contract names; `check` is None if the contract does not list it."""
    if check is not None:
        across = f"Cannot be run: it looks across rows ({check.across})." if check.across else None
        return WAYS.get(check.kind) or across or f"In pandas ({check.untraced})."
    if name == CANARY:
        return "Two rows that must be rejected are put into each batch and taken out again: the audit is at work."
    if of_reading(contract, name):
        return "Asked while the file is read."
    return "Of another version of the contract; this one has no such check."


def of_reading(contract: Contract, name: str) -> bool:
    """Whether it is one of those that are on record only for batches in which a row failed them."""
    return name == SHAPE_CHECK or name in map(parse_check_name, contract.columns)

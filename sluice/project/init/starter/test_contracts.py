"""Every contract of the project loads, and each of its checks can be run."""

from __future__ import annotations

import pytest

from sluice import contract_for, contracts


@pytest.mark.parametrize("dataset", sorted(contracts()))
def test_a_contract_has_an_owner_and_checks(dataset: str) -> None:
    contract = contract_for(dataset)
    assert "@" in contract.owner
    assert contract.columns


def test_the_contracts_load() -> None:
    contracts()

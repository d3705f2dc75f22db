"""Every dataset that has example rows: the good pass, and each bad one is rejected for the reason it was made for."""

from __future__ import annotations

import pytest

from sluice.project.datasets import contract_for
from tests.support.dataset_examples import DATA, assert_examples_hold


@pytest.mark.parametrize("dataset", sorted(folder.name for folder in DATA.iterdir() if folder.is_dir()))
def test_examples_are_accepted_or_rejected_as_they_say(dataset: str, deliver, rows, tmp_path) -> None:
    assert_examples_hold(contract_for(dataset), DATA / dataset, tmp_path, deliver, rows)

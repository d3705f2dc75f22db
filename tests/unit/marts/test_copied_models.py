"""Which models start from a copy of what readers have."""

from __future__ import annotations

import pytest

from sluice.marts.incremental.copies import starts_from_a_copy


@pytest.mark.parametrize(
    ("config", "copied"),
    [
        ({"materialized": "incremental"}, True),
        ({"materialized": "incremental", "incremental_strategy": "microbatch"}, True),
        ({"materialized": "incremental", "full_refresh": False}, True),
        ({"materialized": "incremental", "incremental_strategy": "replace_loads"}, False),
        ({"materialized": "table"}, False),
        ({"materialized": "snapshot"}, False),
    ],
)
def test_every_incremental_model_but_those_that_find_which_loads_they_lack(
    config: dict[str, object], copied: bool
) -> None:
    assert starts_from_a_copy({"config": config}) is copied

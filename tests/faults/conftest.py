"""Faults: what is killed, stopped, cut off or overtaken, and what readers, the ledger and the owners see of it."""

from __future__ import annotations

from tests.integration.conftest import deliver, engine, rows, sluice, warehouse  # noqa: F401
from tests.integration.marts.test_marts import night  # noqa: F401
from tests.integration.marts.test_sides import nights  # noqa: F401

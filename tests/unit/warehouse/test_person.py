"""Who decided, as the ledger keeps it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sluice.warehouse.warehouse import person

NAMELESS = 54321
NAMES = ("USER", "LOGNAME", "LNAME", "USERNAME")


def said(who: str | None) -> subprocess.CompletedProcess[str]:
    """What a process says that runs under a number without a name, as in many containers."""
    program = f"import os; from sluice.warehouse.warehouse import person; os.setuid({NAMELESS}); print(person({who!r}))"
    environment = {key: value for key, value in os.environ.items() if key not in NAMES}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)


def test_the_name_that_is_given_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "night")
    assert (person(" ada "), person(" "), person()) == ("ada", "night", "night")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take a number that has no name")
def test_a_user_without_a_name_is_told_to_name_the_person() -> None:
    assert "--who NAME" in said(None).stderr.splitlines()[-1]
    assert said("ada").stdout == "ada\n"

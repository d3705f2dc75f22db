"""What the doctor finds, as frozen values, and the fence around each check."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import httpx
import typer
from prefect.settings import PREFECT_API_AUTH_STRING

from sluice.contract.errors import SluiceError


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        advice: what to do about it; empty if all is well.
        exit_code: for a failure, what the command ends with.
    """

    area: str
    verdict: Level
    found: str
    advice: str = ""
    exit_code: int = 0


def ok(area: str, found: str) -> Finding:
    """All is well."""
    return Finding(area, Level.OK, found)


def warn(area: str, found: str, advice: str) -> Finding:
    """Runs work, but somebody should know."""
    return Finding(area, Level.WARN, found, advice)


def fail(area: str, found: str, advice: str, exit_code: int = 3) -> Finding:
    """Runs cannot work, or must not be trusted. `exit_code` 5 is for a configuration that is wrong."""
    return Finding(area, Level.FAIL, found, advice, exit_code)


Check = Callable[[], Iterator[Finding]]


def examine(area: str, check: Check) -> list[Finding]:
    """The findings of one check; if it breaks, what it found until then, and that it broke. The next ones still run.

    Raises:
        typer.Abort: Ctrl-C at a question.
    """
    found: list[Finding] = []
    try:
        for finding in check():
            found.append(finding)
    except typer.Abort:  # a person who is asked for a value wants to stop
        raise
    except SluiceError as error:
        found.append(fail(area, str(error), "Follow the message", error.exit_code))
    except httpx.HTTPStatusError as error:
        found.append(_refused(area, error))
    except httpx.TransportError as error:
        what = f"no answer ({error}); Prefect's API is to be at {os.environ.get('PREFECT_API_URL', 'its own address')}"
        found.append(fail(area, what, "Start it (sluice up), or correct PREFECT_API_URL"))
    except Exception as error:  # noqa: BLE001 - one crash must not hide what the other checks find
        found.append(_broke(area, error))
    return found


def _refused(area: str, error: httpx.HTTPStatusError) -> Finding:
    if error.response.status_code != httpx.codes.UNAUTHORIZED:
        return _broke(area, error)
    asked = "does not accept the given password" if PREFECT_API_AUTH_STRING.value() else "asks for a password"
    what = f"Prefect's API at {os.environ.get('PREFECT_API_URL', 'its own address')} {asked}"
    return fail(area, what, "Set PREFECT_API_AUTH_STRING as `sluice up` prints it, or to the server's own", 5)


def _broke(area: str, error: Exception) -> Finding:
    said = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {said[0][:300] if said else 'no reason given'}"
    return fail(area, f"the check itself failed: {what}", "Fix what it names, or report a bug")

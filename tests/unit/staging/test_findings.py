"""What a check of `sluice doctor` or `sluice setup` says when it cannot be made."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings

from sluice.doctor.finding import Finding, examine


def test_a_prefect_server_that_does_not_answer_is_told_as_such(monkeypatch) -> None:
    closed = "http://127.0.0.1:1/api"
    monkeypatch.setenv("PREFECT_API_URL", closed)

    def asks() -> Iterator[Finding]:
        httpx.get(f"{closed}/health")
        yield from ()

    (finding,) = examine("blocks", asks)
    assert closed in finding.found
    assert "sluice up" in finding.advice
    assert finding.exit_code == 3


def test_a_prefect_server_that_asks_for_a_password_is_told_as_such() -> None:
    def asks() -> Iterator[Finding]:
        httpx.Response(401, request=httpx.Request("GET", "http://127.0.0.1:1/api/block_types")).raise_for_status()
        yield from ()

    (finding,) = examine("blocks", asks)
    assert "asks for a password" in finding.found
    assert "PREFECT_API_AUTH_STRING" in finding.advice
    assert finding.exit_code == 5
    with temporary_settings({PREFECT_API_AUTH_STRING: "admin:wrong"}):
        (finding,) = examine("blocks", asks)
    assert "does not accept the given password" in finding.found

"""An endpoint that refuses, is slow, has a bad certificate or is down for twelve minutes gets its message once."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sluice.alerts import outbox
from sluice.alerts.channels import unusable
from sluice.warehouse.warehouse import Warehouse
from tests.integration.alerts.test_incidents import BAD, Clock, Shop
from tests.integration.conftest import new_warehouse
from tests.support import shops

TIMEOUT = 0.5  # seconds that the block waits
TOKEN = "token-that-nobody-sees"
TRIES = 24  # one each half minute


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def warehouse(database: sa.URL, clock: Clock) -> Iterator[Warehouse]:
    """An empty warehouse whose time the test sets."""
    with new_warehouse(database, clock) as opened:
        yield opened


def point(server: HTTPServer) -> None:
    """Let the owner's block name this server."""
    CustomWebhookNotificationBlock(
        name="shop", url=server.url_for(f"/{TOKEN}"), json_data={"title": "{{subject}}"}, timeout=TIMEOUT
    ).save("shop", overwrite=True)


def certificate(folder: Path) -> ssl.SSLContext:
    """Of nobody whom anybody trusts."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(private + made.sign(key, hashes.SHA256()).public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def refuse(status: int) -> Callable[[Request], Response]:
    return lambda _: Response("no", status, headers={"Retry-After": "3600"})


def slow(_: Request) -> Response:
    time.sleep(3 * TIMEOUT)
    return Response("too late")


FAULTS = {"429": "429", "500": "500", "slow": "Timeout", "certificate": "certificate", "down": "Connect"}
QUICK = ("certificate",)  # the others are tried by test_alerts.py and test_incidents.py, too


@pytest.mark.parametrize(
    "fault", [pytest.param(each, marks=[] if each in QUICK else pytest.mark.long) for each in FAULTS]
)
def test_a_message_waits_twelve_minutes_for_an_endpoint_and_then_arrives_once(
    fault: str, prefect_server: str, warehouse, deliver, rows, clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as servers:
        well = servers.enter_context(HTTPServer("127.0.0.1"))
        context = certificate(tmp_path) if fault == "certificate" else None
        bad = servers.enter_context(HTTPServer("127.0.0.1", ssl_context=context))
        if fault.isdecimal():
            bad.expect_request(f"/{TOKEN}").respond_with_handler(refuse(int(fault)))
        elif fault == "slow":
            bad.expect_request(f"/{TOKEN}").respond_with_handler(slow)
        well.expect_request(f"/{TOKEN}").respond_with_data("ok")
        point(bad)
        assert not unusable("custom-webhook/shop")
        if fault == "down":
            bad.stop()
        contract = replace(shops.contract(tolerance={"not_free_in_bulk": 0.5}), alerts="custom-webhook/shop")
        Shop(contract, tmp_path, deliver).deliver(*BAD)
        for _ in range(TRIES):
            outbox.deliver(warehouse)
            clock.go(seconds=30)
        [waiting] = rows("SELECT attempts, last_error, sent_at FROM ops.outbox WHERE channel LIKE 'custom%'")
        assert 2 <= waiting.attempts <= 7, "it is left more and more time"
        assert waiting.sent_at is None
        assert FAULTS[fault] in waiting.last_error
        assert rows("SELECT status FROM ops.batches") == [("held",)], "no verdict waits for a channel"
        assert caplog.text.count("nobody was alerted") == 1, "the same reason is said once"

        point(well)
        clock.go(minutes=10)
        outbox.deliver(warehouse)
        outbox.deliver(warehouse)
        assert [request.get_json()["title"] for request, _ in well.log] == ["shop__orders 2021-01: gate closed"]
        assert TOKEN not in waiting.last_error + "".join(
            record.getMessage() for record in caplog.records if record.name != "werkzeug"
        )

"""`sluice setup`: blocks and automations are made once, checked against real servers, and told without a secret."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
import yaml
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.states import Completed, State
from prefect_sqlalchemy import SqlAlchemyConnector
from pytest_httpserver import HTTPServer

from sluice.alerts.channels import AppriseAddress
from sluice.project.datasets import contract_for
from sluice.setup import answers, automations, required_blocks, set_up
from sluice.setup.required_blocks import Wanted
from tests.support import stores
from tests.support.repository import ROOT

pytestmark = pytest.mark.whole_project

CHANNEL = "apprise-address/taxi-data"  # as the contracts name it
HELD = {"bucket", "bucket_name", "bucket_folder", "credentials", "gcp_credentials"}  # by a store's block
FOLDER = {"gcs-bucket": "moved/", "s3-bucket": "moved"}  # as each type writes it
PASSWORD = "pw-of-owner-not-to-be-seen"


@pytest.fixture
def bare(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A server without the blocks and automations that setup makes, and an environment that says nothing."""
    monkeypatch.delenv("SLUICE_WAREHOUSE", raising=False)
    forget()
    yield monkeypatch
    forget()


def forget() -> None:
    with get_client(sync_client=True) as client:
        for automation in client.read_automations():
            client.delete_automation(automation.id)
        for block in client.read_block_documents(include_secrets=False):
            if block.name in {"taxi-data", "owned"}:
                client.delete_block_document(block.id)


def told(said) -> dict[str, list[str]]:
    """What was found, by area."""
    areas: dict[str, list[str]] = {}
    for finding in json.loads(said.out):
        areas.setdefault(finding["area"], []).append(f"{finding['verdict']}: {finding['found']}")
    return areas


@pytest.mark.usefixtures("durable")
def test_blocks_and_automations_are_made_once_and_checked(
    bare: pytest.MonkeyPatch, sluice: Callable, database: sa.URL, engine: sa.Engine, httpserver: HTTPServer
) -> None:
    owner = f"owner_{database.database}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"create role {owner} login password '{PASSWORD}'"))
        connection.execute(sa.text(f"alter database {database.database} owner to {owner}"))
    values = {"HOST": database.query["host"], "DATABASE": database.database, "USER": owner, "PASSWORD": PASSWORD}
    bare.setenv("SLUICE_WAREHOUSE", "owned")
    for name, value in {**values, "SSLMODE": "disable"}.items():
        bare.setenv(f"SLUICE_BLOCK_OWNED_{name}", str(value))
    httpserver.expect_request("/hook", method="POST").respond_with_data("ok")
    bare.setenv("SLUICE_BLOCK_TAXI_DATA_URL", httpserver.url_for("/hook").replace("http", "json"))
    try:
        first, second = sluice("setup", "--json", "--send"), sluice("setup", "--yes", "--json")
        assert (first.code, second.code) == (0, 0), first.out + first.err
        made, again = told(first), told(second)
        assert "ok: sqlalchemy-connector/owned was made (for SLUICE_WAREHOUSE)" in made["warehouse"]
        assert "ok: sqlalchemy-connector/owned exists, with the values of the environment" in again["warehouse"]
        assert any(f"ok: {owner} may create schemas" in found for found in made["rights"])
        assert any(f"{CHANNEL} was made" in found for found in made["channels"])
        assert any("accepted a test message" in found for found in made["channels"])
        assert len(httpserver.log) == 1, "one message, only when asked"
        assert [("was made" in found, CHANNEL in found) for found in made["automations"]] == [(True, True)] * 2
        assert all("exists" in found for found in again["automations"])
        assert PASSWORD not in first.out + first.err + second.out + second.err
        with get_client(sync_client=True) as client:
            assert len(client.read_automations()) == 2
            held = client.read_block_document_by_name("owned", "sqlalchemy-connector", include_secrets=False)
        assert PASSWORD not in str(held.data), "the API tells it only to those who ask for secrets"

        bare.setenv("SLUICE_BLOCK_OWNED_PASSWORD", "")
        for name in values:
            bare.delenv(f"SLUICE_BLOCK_OWNED_{name}")
        bare.delenv("SLUICE_BLOCK_OWNED_SSLMODE")
        bare.setenv("SLUICE_BLOCK_TAXI_DATA_URL", httpserver.url_for("/new").replace("http", "json"))
        third = told(sluice("setup", "--yes", "--json"))
        assert "ok: sqlalchemy-connector/owned exists" in third["warehouse"], "nobody said anything about it"
        assert any("was changed" in found for found in third["channels"])
        block = SqlAlchemyConnector.load("owned")
        assert block.connection_info.password.get_secret_value() == PASSWORD

        with engine.begin() as connection:
            connection.execute(sa.text(f"alter role {owner} password 'another-word'"))
        bare.setenv("SLUICE_BLOCK_OWNED_PASSWORD", "another-word")  # and nothing else
        fourth = sluice("setup", "--yes", "--json")
        assert "ok: sqlalchemy-connector/owned was changed (for SLUICE_WAREHOUSE)" in told(fourth)["warehouse"]
        made = SqlAlchemyConnector.load("owned").connection_info
        assert (made.username, made.database, made.query) == (owner, database.database, {"sslmode": "disable"})
        assert made.password.get_secret_value() == "another-word"
        assert "another-word" not in fourth.out + fourth.err
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text(f"alter database {database.database} owner to current_user"))
            connection.execute(sa.text(f"drop owned by {owner}"))
            connection.execute(sa.text(f"drop role {owner}"))


def test_what_nobody_said_and_what_cannot_work_is_told_with_the_cure(
    bare: pytest.MonkeyPatch, sluice: Callable
) -> None:
    bare.setenv("SLUICE_WAREHOUSE", "owned")
    bare.setenv("SLUICE_BLOCK_OWNED_HOST", "127.0.0.1")
    bare.setenv("SLUICE_BLOCK_OWNED_PASSWORD", PASSWORD)
    said = sluice("setup", "--yes", "--json")
    assert said.code == 5
    areas = told(said)
    assert "SLUICE_BLOCK_OWNED_DATABASE, SLUICE_BLOCK_OWNED_USER not set" in areas["warehouse"][0]
    everyone = "alerts of tlc__green_trips, tlc__yellow_trips, tlc__zones"
    assert f"{CHANNEL} does not exist; it is named by {everyone}" in areas["channels"][0]
    assert "SLUICE_BLOCK_TAXI_DATA_URL" in said.out
    assert all("notifies nobody" in found for found in areas["automations"])

    for name, value in {"DATABASE": "none", "USER": "nobody", "PORT": "http"}.items():
        bare.setenv(f"SLUICE_BLOCK_OWNED_{name}", value)
    assert "invalid port 'http'" in sluice("setup", "--yes", "--json").out
    bare.setenv("SLUICE_BLOCK_OWNED_PORT", "1")
    bare.setenv("SLUICE_BLOCK_TAXI_DATA_URL", "no-address-at-all")
    said = sluice("setup", "--yes", "--json")
    assert said.code == 5
    assert any("cannot be used" in found and found.startswith("fail") for found in told(said)["warehouse"])
    assert "SLUICE_BLOCK_OWNED_HOST, _PORT, _DATABASE" in said.out, "how the block that is now there is mended"
    assert PASSWORD not in said.out + said.err


@pytest.mark.usefixtures("durable")
def test_a_block_made_by_hand_works_the_same(
    bare: pytest.MonkeyPatch, sluice: Callable, httpserver: HTTPServer
) -> None:
    AppriseAddress(url=httpserver.url_for("/hook").replace("http", "json")).save("taxi-data")
    said = sluice("setup", "--yes", "--json")
    assert said.code == 0, said.out
    assert f"ok: {CHANNEL} exists" in told(said)["channels"]
    assert all(CHANNEL in found for found in told(said)["automations"])


@pytest.mark.parametrize(("kind", "said"), [("custom-webhook", "does not exist"), ("no-such-type", "No block class")])
def test_a_type_that_asks_for_more_than_an_address_is_left_to_the_ui(
    kind: str, said: str, bare: pytest.MonkeyPatch
) -> None:
    bare.setattr(set_up, "wanted", lambda: [Wanted("channels", kind, "owned", "a test")])
    (found,) = [each for each in set_up.set_up(answers.Answers(ask=True)) if each.area == "channels"]
    assert said in found.found
    assert (found.verdict, found.exit_code) == ("fail", 5)


def test_a_person_is_asked_for_what_is_missing_and_secrets_are_not_shown(
    bare: pytest.MonkeyPatch, httpserver: HTTPServer, tmp_path: Path
) -> None:
    secret = httpserver.url_for("/hook-of-nobody-else").replace("http", "json")
    bare.setenv("SLUICE_HOME", str(tmp_path))
    code, shown = typed(f"{secret}\n")
    assert code == 0, shown
    assert "hook-of-nobody-else" not in shown
    assert "collects anonymous usage data" not in shown, "for it is not collected"
    assert AppriseAddress.load("taxi-data").url.get_secret_value() == secret


@pytest.mark.long
def test_a_person_who_stops_at_a_question_is_told_of_no_bug(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setenv("SLUICE_HOME", str(tmp_path))
    code, shown = typed("\x03")
    assert code == 130, shown
    assert "broke" not in shown
    assert "sluice: stopped" in shown


def typed(answer: str) -> tuple[int, str]:
    """The exit code of `sluice setup` in a terminal, and what was shown, where this is typed when it asks a secret."""
    child, terminal = pty.fork()  # getpass asks the terminal itself, not standard input
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "sluice", "setup"])
    shown = ""
    asked = False
    with suppress(OSError):  # the terminal is closed when the program ends
        while piece := os.read(terminal, 4096).decode(errors="replace"):  # a piece may end within a letter
            shown += piece
            if not asked and "including its token or password:" in shown:
                while termios.tcgetattr(terminal)[3] & termios.ECHO:  # what is typed before it listens is thrown away
                    time.sleep(0.01)
                os.write(terminal, answer.encode())
                asked = True
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert asked
    return code, shown


@pytest.mark.long
@pytest.mark.parametrize("kind", ["gcs-bucket", "s3-bucket", "local-file-system"])
def test_storage_blocks_are_made_and_asked(
    kind: str, bare: pytest.MonkeyPatch, tmp_path: Path, httpserver: HTTPServer
) -> None:
    stores.forget_credentials(bare)
    block = Wanted("storage", kind, "owned", "a test", f"block://{kind}/owned/never_delivered.csv")
    bare.setattr(set_up, "wanted", lambda: [block])
    if kind == "local-file-system":
        bare.setenv("SLUICE_BLOCK_OWNED_PATH", str(tmp_path))
        found = set_up.set_up(answers.Answers(ask=False))
    else:
        with stores.s3() if kind == "s3-bucket" else stores.gcs() as store:
            bare.setenv("SLUICE_BLOCK_OWNED_BUCKET", stores.BUCKET)
            if kind == "s3-bucket":
                bare.setenv("SLUICE_BLOCK_OWNED_ENDPOINT_URL", store.endpoint)
                for name, value in stores.KEYS.items():
                    bare.setenv(f"SLUICE_BLOCK_OWNED_{name.removeprefix('aws_').upper()}", value)
            else:
                bare.setenv("STORAGE_EMULATOR_HOST", store.endpoint)
                httpserver.expect_request("/token").respond_with_data(
                    stores.token_answer(), content_type="application/json"
                )
                key = tmp_path / "key.json"
                key.write_text(json.dumps(stores.service_account(httpserver.url_for("/token"))))
                bare.setenv("SLUICE_BLOCK_OWNED_KEY_FILE", str(key))
            found = set_up.set_up(answers.Answers(ask=False))
    said = [each.found for each in found if each.area == "storage"]
    assert said == [f"{block} was made (for a test)", f"{block} responds; {block.address} does not exist yet"]
    if kind != "local-file-system":
        one_value_changes_alone(kind, bare)


def one_value_changes_alone(kind: str, bare: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("SLUICE_BLOCK_OWNED_")]:
        bare.delenv(name)
    by_hand = Block.load(f"{kind}/owned")
    if kind == "s3-bucket":
        by_hand.credentials.aws_session_token = "a token"
        by_hand.credentials.aws_client_parameters.use_ssl = False
    else:
        by_hand.gcp_credentials.project = "by-hand"
    by_hand.save("owned", overwrite=True)
    block = Block.load(f"{kind}/owned").model_dump(include=HELD)
    bare.setenv("SLUICE_BLOCK_OWNED_FOLDER", "moved")
    found = set_up.set_up(answers.Answers(ask=False))
    assert f"{kind}/owned was changed (for a test)" in [each.found for each in found]
    assert Block.load(f"{kind}/owned").model_dump(include=HELD) == {**block, "bucket_folder": FOLDER[kind]}


def test_storage_that_a_contract_names_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    zones = contract_for("tlc__zones")
    stored = replace(zones, files=replace(zones.files, url="block://gcs-bucket/zoom-gcs/{entity}.csv"))
    monkeypatch.setattr(required_blocks, "contracts", lambda: {"tlc__zones": stored})
    monkeypatch.setenv("SLUICE_WAREHOUSE", "owned")
    assert [(str(block), block.area, block.address) for block in required_blocks.wanted()] == [
        ("sqlalchemy-connector/owned", "warehouse", ""),
        (CHANNEL, "channels", ""),
        ("gcs-bucket/zoom-gcs", "storage", "block://gcs-bucket/zoom-gcs/zones.csv"),
    ]


# ---- a missed night


def ended(deployment: UUID, state: State) -> None:
    """A run of the deployment that ends so; the server emits what it emits for any."""
    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(deployment)
        client.set_flow_run_state(run.id, state, force=True)


@pytest.mark.long
def test_a_missed_night_reaches_the_owner_and_so_does_the_next_run(
    bare: pytest.MonkeyPatch, tmp_path: Path, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/hook", method="POST").respond_with_data("ok")
    AppriseAddress(url=httpserver.url_for("/hook").replace("http", "json")).save("taxi-data")
    described = yaml.safe_load((ROOT / "automations.yaml").read_text())
    described["automations"][0]["trigger"]["within"] = 10  # seconds, the least that Prefect takes; shipped: 26 hours
    (tmp_path / "automations.yaml").write_text(yaml.safe_dump(described))
    assert {finding.verdict for finding in automations.apply(tmp_path / "automations.yaml")} == {"ok"}
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("nightly")
        nightly = client.create_deployment(flow, name="nightly", tags=["sluice", "nightly"])
        other = client.create_deployment(flow, name="other", tags=["sluice"])

    ended(nightly, Completed())
    for _ in range(7):  # 14 s with runs of another deployment, which are no nights
        time.sleep(2)
        ended(other, Completed())
    titles = received(httpserver, 1)
    assert titles == ["sluice: a night was missed"], "told after 10 s without a night"
    ended(nightly, Completed())
    assert received(httpserver, 2)[1:] == ["sluice: the nights are back"]
    body = json.loads(httpserver.log[0][0].data)["message"]
    assert "sluice doctor" in body


def received(httpserver: HTTPServer, count: int) -> list[str]:
    deadline = time.monotonic() + 90
    while len(httpserver.log) < count and time.monotonic() < deadline:
        time.sleep(0.5)
    return [json.loads(request.data)["title"] for request, _ in httpserver.log]


def test_the_shipped_file_is_one_that_prefects_own_command_takes(bare: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "automation", "create", "--from-file"]
    done = subprocess.run([*command, str(ROOT / "automations.yaml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with get_client(sync_client=True) as client:
        made = {each.name: each for each in client.read_automations()}
    assert set(made) == {"sluice: a night was missed", "sluice: the nights are back"}
    trigger = AutomationCore.model_validate(made["sluice: a night was missed"].model_dump()).trigger
    assert trigger.within.total_seconds() == 26 * 3600


def test_prefect_knows_the_block_type_without_being_told() -> None:
    code = "from prefect.blocks.core import Block; print(Block.get_block_class_from_key('apprise-address').__module__)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "sluice.alerts.channels"
    assert Block.get_block_class_from_key("apprise-address") is AppriseAddress

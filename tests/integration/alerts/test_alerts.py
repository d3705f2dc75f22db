"""Alerts, against a real Prefect API, a real HTTP receiver and a real SMTP server."""

from __future__ import annotations

import asyncio
import html
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.slack import NotifySlack
from markdown_it import MarkdownIt
from prefect import flow, get_client
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.notifications import (
    CustomWebhookNotificationBlock,
    DiscordWebhook,
    MattermostWebhook,
    MicrosoftTeamsWebhook,
    SlackWebhook,
)
from prefect.blocks.system import Secret
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from pytest_httpserver import HTTPServer

from sluice.alerts.channels import AppriseAddress, send
from sluice.alerts.escaping import said_to
from sluice.alerts.messages import Alert, Facts, render
from tests.support.mailbox import Mailbox

pytestmark = pytest.mark.usefixtures("prefect_server")

EVIL = (
    "<script>alert(1)</script> <!channel> <@U12345> <http://e.org/|x> &\x1b[31m red\r\nBcc: all@example.com \u202egnp"
)
EVIL_SHOWN = EVIL.replace("\x1b", r"\x1b").replace("\r\n", r"\r\n").replace("\u202e", r"\u202e")
MARKED = "*bold* **bolder** _it_ __x__ ~s~ ~~gone~~ `code` # no [a](b) |spoiler| & &lt;!here&gt; @everyone @all"
TOKEN = "T0KEN-not-to-be-seen"


def gate_closed(dataset_id: str = "tlc__yellow_trips", **changes: object) -> Alert:
    facts: dict[str, object] = {
        "reasons": ["15.79% of rows fail passenger_count >= 1 (tolerance 5%)"],
        "numbers": {"rows read": 7_019_375, "rows rejected": 1_108_482},
        "samples": [{"_row_number": n, "store_and_fwd_flag": "N"} for n in range(1, 8)],
        "readers_see": "2019-01 and earlier; nothing of 2019-02",
        "next_command": "sluice quarantine show tlc__yellow_trips 2019-02",
    }
    told = Facts(**{**facts, **changes})  # type: ignore[arg-type]
    return render("gate_closed", told, owner="Taxi data team", dataset_id=dataset_id, batch="2019-02")


@pytest.fixture
def webhook(httpserver: HTTPServer) -> str:
    """A custom webhook block that posts to the receiver, with a secret in its address."""
    CustomWebhookNotificationBlock(
        name="data team",
        url=httpserver.url_for("/hook/{{token}}"),
        json_data={"title": "{{subject}}", "text": "{{body}}"},
        secrets={"token": TOKEN},
        timeout=5,
    ).save("data-team", overwrite=True)
    return "custom-webhook/data-team"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server, and the block `apprise-address/mail` that writes to it."""
    box = Mailbox()
    AppriseAddress(url=box.address).save("mail", overwrite=True)
    with box.up():
        yield box


def test_a_webhook_receives_reasons_numbers_samples_and_the_next_command(httpserver, webhook) -> None:
    httpserver.expect_oneshot_request(f"/hook/{TOKEN}", method="POST").respond_with_data("ok")
    assert send(gate_closed(), webhook) is True
    request, _ = httpserver.log[-1]
    message = json.loads(request.data)
    assert message["title"] == "tlc__yellow_trips 2019-02: gate closed"
    text = message["text"]
    assert "15.79% of rows fail passenger_count >= 1 (tolerance 5%)" in text
    assert "rows read: 7,019,375" in text
    assert "Readers see: 2019-01 and earlier; nothing of 2019-02" in text
    assert "Next: sluice quarantine show tlc__yellow_trips 2019-02" in text
    assert "Owner: Taxi data team" in text
    assert text.count("_row_number=") == 5, "five sample rows, not all seven"


def test_an_e_mail_arrives_through_a_mail_server_as_text(mailbox) -> None:
    assert send(gate_closed(samples=[{"zone": EVIL}]), "apprise-address/mail") is True
    (letter,) = mailbox.letters
    assert letter["Subject"] == "tlc__yellow_trips 2019-02: gate closed"
    assert letter["To"] == "data@example.com"
    assert letter["Bcc"] is None
    text = letter.get_body(("plain",)).get_content()
    assert "\nNext: sluice quarantine show tlc__yellow_trips 2019-02\n" in text.replace("\r\n", "\n")
    assert letter.get_content_type() == "text/plain", "nothing in it can become markup"
    assert f"zone={EVIL_SHOWN}\n" in text.replace("\r\n", "\n"), "the value as it is"


def test_slack_shows_a_data_value_and_does_not_obey_it(httpserver, monkeypatch) -> None:
    monkeypatch.setattr(NotifySlack, "webhook_url", httpserver.url_for("/services"))
    SlackWebhook(url="https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ").save(
        "data-team", overwrite=True
    )
    httpserver.expect_request("/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ").respond_with_data("ok")
    values = {"zone": EVIL, "borough": MARKED}
    assert send(gate_closed(samples=[values]), "slack-webhook/data-team") is True
    (message,) = json.loads(httpserver.log[-1][0].data)["attachments"]
    assert "mrkdwn_in" not in message, "an attachment shows its text as it is unless this asks for markup"
    assert "<" not in message["text"], "Slack would obey <!channel>, <@U12345> and <http://e.org/|x>"
    shown = html.unescape(message["text"])
    assert "15.79% of rows fail" in shown
    assert f"zone={EVIL_SHOWN}, borough={MARKED}\n" in shown


def discord(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NotifyDiscord, "notify_url", httpserver.url_for("/webhooks"))
    DiscordWebhook(webhook_id="1" * 18, webhook_token="t" * 60).save("room", overwrite=True)


def discord_embed(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NotifyDiscord, "notify_url", httpserver.url_for("/webhooks"))
    AppriseAddress(url=f"discord://{'1' * 18}/{'t' * 60}?format=markdown").save("room", overwrite=True)


def mattermost(httpserver: HTTPServer, _: pytest.MonkeyPatch) -> None:
    MattermostWebhook(hostname=httpserver.host, port=httpserver.port, token="t" * 26, secure=False).save(
        "room", overwrite=True
    )


def rocket_chat(httpserver: HTTPServer, _: pytest.MonkeyPatch) -> None:
    address = f"rocket://{'w' * 17}%2F{'t' * 43}@{httpserver.host}:{httpserver.port}/%23data?mode=webhook"
    AppriseAddress(url=address).save("room", overwrite=True)


@pytest.mark.parametrize(
    ("make", "block", "text_of"),
    [
        (
            rocket_chat,
            "apprise-address/room",
            lambda message: message["text"].partition("\n")[2],
        ),  # without the title, its heading
        (discord, "discord-webhook/room", lambda message: message["content"]),
        (discord_embed, "apprise-address/room", lambda message: message["embeds"][0]["description"]),
        (mattermost, "mattermost-webhook/room", lambda message: message["text"]),
    ],
)
def test_a_service_of_markdown_shows_a_data_value_and_does_not_obey_it(
    httpserver, monkeypatch, make, block, text_of
) -> None:
    make(httpserver, monkeypatch)
    httpserver.expect_request(re.compile("/(webhooks|hooks)/.*")).respond_with_data("ok")
    assert send(gate_closed(samples=[{"zone": EVIL, "borough": MARKED}]), block) is True
    messages = [json.loads(request.data) for request, _ in httpserver.log]
    assert "allow_mentions" not in json.dumps(messages), "Apprise asks for a ping of what looks like one"
    shown_whole("\n".join(text_of(message) for message in messages))


def test_teams_shows_a_data_value_and_does_not_obey_it() -> None:
    """Its plugin speaks HTTPS only: what it would post is looked at."""
    block = MicrosoftTeamsWebhook(
        url="https://teams.example.com:443/workflows/0123abcd/triggers/manual/paths/invoke"
        "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=made-up"
    )
    title, body = said_to(block, *told(samples=[{"zone": f"{EVIL} <at>anna@example.com</at>", "borough": MARKED}]))
    (teams,) = block._apprise_client
    content = teams.gen_payload(body, title)["attachments"][0]["content"]
    assert "entities" not in content["msteams"], "a value of the data would mention somebody"
    assert shown(content["body"][-2]["text"]).strip() == "tlc__yellow_trips 2019-02: gate closed"
    shown_whole(content["body"][-1]["text"])


def told(**changes: object) -> tuple[str, str]:
    alert = gate_closed(**changes)
    return alert.title, alert.body


def shown_whole(markdown: str) -> None:
    """Rendered, a text holds the values as they are, nothing is markup, and nothing in it pings."""
    assert not re.search(r"@[\w!&]", markdown)
    assert "tlc__yellow_trips" in shown(markdown)
    assert EVIL_SHOWN in shown(markdown)
    assert f"borough={MARKED}" in shown(markdown)


def shown(markdown: str) -> str:
    """What a reader sees of it."""
    rendered = MarkdownIt("commonmark").enable("strikethrough").render(markdown)
    assert not re.search("<(em|strong|s|a|code|h1|blockquote|script)\\b", rendered), rendered
    return html.unescape(re.sub("<[^>]+>", "", rendered)).replace("\u200b", "")


def test_a_webhook_of_unknown_rules_gets_no_order(httpserver, webhook) -> None:
    httpserver.expect_oneshot_request(f"/hook/{TOKEN}", method="POST").respond_with_data("ok")
    samples = [{"zone": "@everyone, @Here <!channel>\n@all", "mail": "all@channel.example.com"}]
    assert send(gate_closed(samples=samples), webhook) is True
    text = json.loads(httpserver.log[-1][0].data)["text"]
    assert r"zone=@ everyone, @ Here <! channel>\n@ all, mail=all@channel.example.com" in text


def test_control_characters_of_the_data_are_spelled_out() -> None:
    alert = gate_closed(dataset_id="tlc__zones\r\nBcc: x", samples=[{"zone": EVIL, "long": "x" * 10_000}])
    assert "\n" not in alert.title
    assert "\r" not in alert.body
    assert "\x1b" not in alert.body
    assert "\u202e" not in alert.body
    assert r"\x1b[31m red\r\nBcc: all@example.com \u202egnp" in alert.body
    assert "(10,000 characters)" in alert.body
    assert len(alert.body) < 2_000


@pytest.mark.parametrize("status", [429, 500])
def test_a_refusing_endpoint_is_a_warning_and_hides_its_token(httpserver, webhook, caplog, status) -> None:
    httpserver.expect_request(f"/hook/{TOKEN}").respond_with_data("no", status=status)
    with caplog.at_level(logging.DEBUG):
        assert send(gate_closed(), webhook) is False
    (warning,) = [r.getMessage() for r in caplog.records if "nobody was alerted" in r.getMessage()]
    assert str(status) in warning
    assert "custom-webhook/data-team" in warning
    assert "Taxi data team" in warning
    assert TOKEN not in "".join(r.getMessage() for r in caplog.records if r.name != "werkzeug")


def test_an_endpoint_that_is_down_is_a_warning(webhook, httpserver, caplog) -> None:
    httpserver.stop()
    try:
        assert send(gate_closed(), webhook) is False
    finally:
        httpserver.start()
    assert "nobody was alerted" in caplog.text
    assert TOKEN not in caplog.text


def test_a_mail_server_that_is_down_is_a_warning(mailbox, caplog) -> None:
    AppriseAddress(url="mailto://me:s3cr3t-word@127.0.0.1:1?from=a@example.com&to=b@example.com&mode=insecure").save(
        "down", overwrite=True
    )
    assert send(gate_closed(), "apprise-address/down") is False
    (told,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "nobody was alerted" in told
    assert "Connection error while submitting email" in told
    assert "s3cr3t-word" not in caplog.text


@pytest.mark.parametrize("block", ["custom-webhook/none-of-that-name", "no-such-type/x", "noslash", "a/b/c"])
def test_a_block_that_does_not_exist_is_a_warning(block, caplog) -> None:
    assert send(gate_closed(), block) is False
    assert block in caplog.text
    assert ("create it with: sluice setup" in caplog.text) == (block.count("/") == 1)


def test_a_block_that_cannot_notify_is_a_warning(caplog) -> None:
    Secret(value=TOKEN).save("not-a-channel", overwrite=True)
    assert send(gate_closed(), "secret/not-a-channel") is False
    assert "does not send notifications" in caplog.text
    assert TOKEN not in caplog.text


def test_without_a_block_the_log_says_that_nobody_was_alerted(caplog) -> None:
    assert send(gate_closed(), None) is False
    assert "nobody was alerted" in caplog.text
    assert "Contract(alerts=" in caplog.text


class Shouting(NotificationBlock):
    """A user's own block, asynchronous as Prefect's interface declares it."""

    heard: list[str] = []

    async def notify(self, body: str, subject: str | None = None) -> None:
        Shouting.model_fields["heard"].default.append(f"{subject}|{body}")


def test_a_users_own_block_is_called(prefect_server) -> None:
    Shouting().save("loud", overwrite=True)
    assert send(gate_closed(), f"{Shouting.get_block_type_slug()}/loud") is True
    (heard,) = Shouting.model_fields["heard"].default
    assert heard.startswith("tlc__yellow_trips 2019-02: gate closed|")


def test_an_alert_goes_out_from_a_flow_and_from_an_asynchronous_one(httpserver, webhook) -> None:
    httpserver.expect_request(f"/hook/{TOKEN}").respond_with_data("ok")

    @flow
    def night() -> bool:
        return send(gate_closed(), webhook)

    @flow
    async def other_night() -> bool:
        return send(gate_closed(), webhook)

    assert night() is True
    assert asyncio.run(other_night()) is True
    assert len(httpserver.log) == 2


def test_every_alert_is_a_prefect_event_even_when_nobody_is_named() -> None:
    dataset = f"tlc__events_{time.time_ns()}"
    send(gate_closed(dataset_id=dataset), None)
    wanted = EventFilter(
        event=EventNameFilter(name=["sluice.gate_closed"]),
        resource=EventResourceFilter(id=[f"sluice.dataset.{dataset}"]),
    )
    with get_client(sync_client=True) as client:
        for _ in range(100):
            found = client._client.post(
                "/events/filter", json={"filter": wanted.model_dump(mode="json"), "limit": 10}
            ).json()["events"]
            if found:
                break
            time.sleep(0.2)
    (event,) = found
    assert event["payload"]["owner"] == "Taxi data team"
    assert event["resource"]["sluice.batch"] == "2019-02"
    assert "15.79%" in event["payload"]["body"]


def test_the_address_block_can_be_registered_for_the_ui() -> None:
    command = [sys.executable, "-m", "prefect", "block", "register", "-m", "sluice.alerts.channels"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Apprise Address" in done.stdout

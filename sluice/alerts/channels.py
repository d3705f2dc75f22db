"""Notify a dataset's owner of what happened: emit a Prefect event, hand the message to a notification block.

Decides nothing, and words nothing (sluice/alerts/messages.py does). Nothing here raises because of a channel: an
alert that cannot be sent must neither change a verdict nor hide the error it was about.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from httpx import HTTPStatusError, TransportError
from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.blocks.core import Block
from prefect.blocks.notifications import AppriseNotificationBlock
from prefect.client.orchestration import get_client
from prefect.events import Event, Resource
from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger
from prefect.utilities.asyncutils import run_coro_as_sync
from pydantic import Field, SecretStr

from sluice.alerts import escaping
from sluice.alerts.messages import Alert, plain
from sluice.contract.formatting import MASK

ADDRESS = re.compile(r"\b[a-z][a-z0-9+.\-]*://[^\s'\"<>]+", re.IGNORECASE)


class AppriseAddress(AppriseNotificationBlock):
    """Sends to any address Apprise knows (mailto://, mailtos://, json://, gchat://, ...).

    Prefect's own notification blocks are one service each, and none speaks to an ordinary mail server.
    """

    _block_type_name = "Apprise Address"
    _block_type_slug = "apprise-address"

    url: SecretStr = Field(
        default=...,
        title="Address",
        description="An Apprise address: https://github.com/caronc/apprise/wiki lists the services.",
        examples=["mailtos://user:password@mail.example.com?from=sluice@example.com&to=data@example.com"],
    )


def send(alert: Alert, block: str | None) -> bool:
    """Emit the alert's event and notify through `block` (`type/name`, as Prefect writes it) now, once.

    For what no outbox can hold: a test, or a run that does not reach the warehouse. Works in a run and outside of one.
    Returns whether the message was handed over; raises nothing.
    """
    if problem := emit(alert):
        _logger().warning("%s: no Prefect event was emitted: %s", alert.title, problem)
    if not block:
        _logger().warning(
            "%s: nobody was alerted: the dataset's contract names no notification block. Make one and "
            "name it: Contract(alerts='slack-webhook/data-team'); docs/alerts.md shows how",
            alert.title,
        )
        return False
    return not notify(alert, block)


def notify(alert: Alert, block: str, known: str = "") -> str:
    """Hand the message to a notification block. Why that failed, in one line without secrets; empty if it went.

    Says in the log who was alerted, or that nobody was. Raises nothing.

    Args:
        known: why it failed when last tried, which was said then.
    """
    loaded: Any = None
    try:
        with _quiet("httpx", "httpcore", "apprise"):
            loaded = _load(block)
            title, body = escaping.said_to(loaded, alert.title, alert.body)
            with loaded.raise_on_failure():  # without it, Prefect's Apprise blocks fail in silence
                _wait(loaded.notify(body, title))
    except Exception as error:  # noqa: BLE001 - with any error of a channel, the verdict and its error come first
        problem = _why(error, loaded)
        if problem != known:
            _logger().warning(
                "%s: nobody was alerted through %s: %s. The owner is %s. Test it: sluice doctor --send",
                alert.title,
                block,
                problem.rstrip("."),
                plain(alert.owner),
            )
        return problem
    _logger().info("%s: alerted %s through %s", alert.title, plain(alert.owner), block)
    return ""


def emit(alert: Alert, event_id: UUID | None = None) -> str:
    """Give Prefect's server the alert's event and wait for its answer. Why that failed; empty if it did not.

    Args:
        event_id: the server keeps an event of the same id once, however often it gets it.
    """
    resource = {"prefect.resource.id": f"sluice.dataset.{alert.dataset_id}" if alert.dataset_id else "sluice"}
    resource["prefect.resource.name"] = alert.dataset_id or "sluice"
    if alert.batch:
        resource["sluice.batch"] = alert.batch
    # An automation may send these on, through a block that escapes nothing.
    said = {"title": escaping.tamed(alert.title), "body": escaping.tamed(alert.body)}
    payload = {**said, "owner": alert.owner, "batch": alert.batch}
    try:
        event = Event(event=alert.event, resource=Resource(resource), payload=payload, id=event_id or uuid4())
        with _quiet("httpx", "httpcore"), get_client(sync_client=True) as client:
            client.request("POST", "/events", json=[event.model_dump(mode="json")])
    except Exception as error:  # noqa: BLE001 - as in notify()
        return _why(error)
    return ""


def unusable(block: str) -> str:
    """Why a block could send nothing, in one line; empty if it loads. Sends nothing.

    Raises:
        httpx.TransportError, httpx.HTTPStatusError: Prefect's API did not give it; that says nothing of the block.
    """
    try:
        _load(block)
    except (TransportError, HTTPStatusError):
        raise
    except Exception as error:  # noqa: BLE001 - as in notify()
        return _why(error)
    return ""


def _load(name: str) -> Any:
    if name.count("/") != 1:
        raise ValueError("a block is named type/name (prefect block ls lists them)")
    block = _wait(Block.load(name))
    if not isinstance(block, NotificationBlock):
        raise TypeError("the block does not send notifications")
    return block


def _wait(result: Any) -> Any:
    """Prefect answers with a coroutine inside an event loop; a user's own block may always do so."""
    return run_coro_as_sync(result) if inspect.iscoroutine(result) else result


def _logger() -> Any:
    try:
        return get_run_logger()
    except MissingContextError:
        return get_logger("sluice")


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Keep what libraries log off the screen: tokens are in the addresses, and notify reports the failure once.

    Prefect reads that from Apprise's warnings; what is below them has the whole message in it.
    """
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(max(logger.level, logging.WARNING))
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.propagate = propagate


def _why(error: Exception, block: Any = None) -> str:
    """The error in one line, without addresses and without the block's secrets."""
    text = error.log if isinstance(error, NotificationError) else str(error)
    if text.startswith("Unable to find block document"):
        return "the block does not exist; create it with: sluice setup"
    if isinstance(error, HTTPStatusError):
        text = f"it answered {error.response.status_code} {error.response.reason_phrase}"
    for secret in sorted(_secrets(block), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = plain(ADDRESS.sub("<address>", " ".join(text.split())), limit=300)
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__} (no reason given)"


def _secrets(value: Any) -> Iterable[str]:
    """Every text a block holds in a secret field."""
    if isinstance(value, Block):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        value = list(value.values())
    if hasattr(value, "get_secret_value"):
        revealed = value.get_secret_value()
        found = list(revealed.values()) if isinstance(revealed, Mapping) else [revealed]
        return [str(secret) for secret in found if secret]
    if isinstance(value, list | tuple):
        return [secret for item in value for secret in _secrets(item)]
    return []

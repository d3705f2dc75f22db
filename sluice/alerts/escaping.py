"""Write a message so that its channel shows it as it is: each service's own escapes. Sends nothing.

Messages are plain text without any markup of ours. What looks like markup in one is a value of the data.
"""

from __future__ import annotations

import re
from typing import Any

from apprise import NotifyFormat
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.email import NotifyEmail
from apprise.plugins.mattermost import NotifyMattermost
from apprise.plugins.rocketchat import NotifyRocketChat
from apprise.plugins.slack import NotifySlack
from apprise.plugins.workflows import NotifyWorkflows

BROKEN = "\u200b"  # a zero-width space; of the data itself, such a character is spelled out

# CommonMark, 2.4: a backslash before ASCII punctuation makes it plain. An address is left whole, for a backslash in it
# would be shown; it holds nothing that is markup inside of a word. A ping is not markup: nothing escapes its @.
MARKDOWN = (NotifyDiscord, NotifyMattermost, NotifyRocketChat, NotifyWorkflows)  # the last is Microsoft Teams
MARKED = re.compile(r"(?P<address>\bhttps?://[\w.:/%?=&+,;-]+)|(?P<sign>[\\`*_\[\]<>~|#&])|@")

# What chat services obey, for a channel whose rules are not known: `<!channel>`, `<@U123>`, `<http://a|b>`, and the
# bare words that ping a room. They may follow what messages.plain() spells out: `\n@everyone`.
ORDER = re.compile(
    r"(?:[!@]|(?:https?|mailto):/*)(?=[^|\s]+(?:[ \t]*\|[^\n]*)?>)"
    r"|(?:(?<!\w)|(?<=\\[nrt])|(?<=\\x..)|(?<=\\u.{4})|(?<=\\U.{8}))@(?=(?:everyone|here|channel|all)\b)",
    re.IGNORECASE,
)


def tamed(text: str) -> str:
    """For a channel whose rules are not known: what a chat service would take for an order is broken with a space."""
    return ORDER.sub(r"\g<0> ", text)


def services_of(block: Any) -> Any:
    """Apprise's object with the services that a notification block sends to; None for a block that has no such.

    Prefect gives no public way to it (read in 3.9).
    """
    return getattr(block, "_apprise_client", None)


def said_to(block: Any, title: str, body: str) -> tuple[str, str]:
    """Title and body in the form that the notification block's service shows as they are."""
    client = services_of(block)
    if client is None:
        return tamed(title), tamed(body)
    # The body is text: Apprise escapes it where it makes HTML of it. Left unsaid, that would be the data's HTML.
    client.asset.body_format = NotifyFormat.TEXT.value
    services = list(client)
    for service in services:
        if isinstance(service, NotifyEmail | NotifySlack):
            # As HTML, no line of an e-mail would break: each blank is one that cannot. As Markdown, Slack shows what
            # looks like a mention or a link as one.
            service.notify_format = NotifyFormat.TEXT  # type: ignore[assignment]  # several formats, or one
    if all(isinstance(service, NotifyEmail | NotifySlack) for service in services):
        return title, body  # its plugin does what Slack asks for
    if all(isinstance(service, MARKDOWN) for service in services):
        if all(service.resolve_format(NotifyFormat.TEXT) == NotifyFormat.MARKDOWN for service in services):
            client.asset.body_format = NotifyFormat.MARKDOWN.value  # or Apprise escapes it once more, addresses as well
        return _markdown(title), _markdown(body)
    return tamed(title), tamed(body)


def _markdown(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        if found["address"]:
            return found["address"]
        return f"\\{found['sign']}" if found["sign"] else f"@{BROKEN}"

    return MARKED.sub(plain, text)

"""Apply automations.yaml to the Prefect server, which reports missed nights. Applied again, it changes what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from sluice.contract.errors import ConfigError
from sluice.doctor.finding import Finding, ok, warn
from sluice.project import paths
from sluice.project.datasets import contracts

HOW = "Name a notification block in a contract (alerts=), create it, then: sluice setup"


def apply(file: Path | None = None) -> Iterator[Finding]:
    """Make or change each automation of the file; it sends its name and description to every owner's block."""
    if not PREFECT_API_URL.value():
        advice = "Start one (sluice up), set PREFECT_API_URL to it, then: sluice setup"
        yield warn("automations", "no Prefect server is configured: missed nights will not be reported", advice)
        return
    file = file or paths.root() / "automations.yaml"
    described = yaml.safe_load(file.read_text(encoding="utf-8"))["automations"]
    with get_client(sync_client=True) as client:
        blocks = _blocks(client)
        for each in described:
            done = _apply(client, rendered(each, blocks))
            if blocks:
                yield ok("automations", f"{each['name']!r} {done}; it notifies through {', '.join(blocks)}")
            else:
                yield warn("automations", f"{each['name']!r} {done}, but it notifies nobody", HOW)


def rendered(described: Mapping[str, Any], blocks: Mapping[str, str]) -> AutomationCore:
    """The automation, sending what it says through these blocks (ids by names)."""
    if not blocks:
        return AutomationCore.model_validate(described)
    said = {"subject": described["name"], "body": described["description"]}
    actions = [{"type": "send-notification", "block_document_id": each, **said} for each in blocks.values()]
    return AutomationCore.model_validate({**described, "actions": actions})


def _blocks(client: SyncPrefectClient) -> dict[str, str]:
    """The notification blocks that contracts name and that exist, by name."""
    found = {}
    for name in dict.fromkeys(contract.alerts for contract in contracts().values()):
        kind, _, block = (name or "").partition("/")
        try:
            found[str(name)] = str(client.read_block_document_by_name(block, kind, include_secrets=False).id)
        except ObjectNotFound:
            continue
    return found


def _apply(client: SyncPrefectClient, wanted: AutomationCore) -> str:
    known: list[Automation] = client.read_automations_by_name(wanted.name)
    if not known:
        client.create_automation(wanted)
        return "was made"
    if len(known) > 1:
        raise ConfigError(
            f"the server has {len(known)} automations named {wanted.name!r}: delete all but one in its UI"
        )
    if _facts(known[0]) == _facts(wanted):
        return "exists"
    wanted = wanted.model_copy(update={"enabled": known[0].enabled})  # one that somebody switched off stays off
    client.update_automation(known[0].id, wanted)
    return "was changed"


def _facts(automation: AutomationCore) -> dict[str, Any]:
    """What of an automation is ours to say: not its number, nor whether somebody switched it off."""
    return automation.model_dump(include={"name", "description", "tags", "trigger", "actions"})

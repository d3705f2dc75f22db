"""Whether Prefect's server answers, lets only those in who may, runs the nightly deployment, and reaches the owners."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import prefect
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import WorkerStatus
from prefect.settings import PREFECT_API_URL

from sluice.alerts import channels as alerts
from sluice.alerts import messages
from sluice.doctor.finding import Finding, fail, ok, warn
from sluice.project.datasets import contracts
from sluice.server.deployments import IN_POOL, POOL

PATIENCE = 10.0  # seconds for one answer
MISSED = "sluice: a night was missed"  # as automations.yaml names it


def server() -> Iterator[Finding]:
    """Whether the server that PREFECT_API_URL names answers, is of this version, and asks for a password."""
    api = PREFECT_API_URL.value()
    if not api:
        yield ok("prefect", "no server is configured: each command starts a temporary one. For a schedule: sluice up")
        return
    api = api.rstrip("/")
    try:
        httpx.get(f"{api}/health", timeout=PATIENCE).raise_for_status()
    except httpx.HTTPError as error:
        yield fail("prefect", f"no response from {api}: {error}", "Start it (sluice up), or unset PREFECT_API_URL")
        return
    open_to_all = httpx.get(f"{api}/admin/version", timeout=PATIENCE).is_success  # asked without a password
    with get_client(sync_client=True) as client:
        try:
            theirs = client.api_version()
        except Exception as error:  # noqa: BLE001 - with any error, runs could not use it either
            advice = "Set PREFECT_API_AUTH_STRING as `sluice up` prints it, or to the server's own"
            yield fail("prefect", f"{api} rejected our credentials: {type(error).__name__}", advice, 5)
            return
    yield ok("prefect", f"{api} answers, {'without' if open_to_all else 'with'} a password")
    yield from _version(theirs)
    if open_to_all and not _is_here(urlsplit(api).hostname or ""):
        advice = "Set PREFECT_SERVER_API_AUTH_STRING there: anyone who can reach it can run code and read blocks"
        yield fail("prefect", "the server accepts requests without a password", advice, 5)


def _version(theirs: str) -> Iterator[Finding]:
    if theirs != prefect.__version__:
        found = f"the server is Prefect {theirs}, this is {prefect.__version__}"
        yield warn("prefect", found, "Upgrade the server first, then this installation; the server must not be older")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def nightly() -> Iterator[Finding]:
    """Whether the server has the deployment, a schedule that is on, and a worker that would run it."""
    if not PREFECT_API_URL.value():
        return
    with get_client(sync_client=True) as client:
        served = client.read_deployments(work_pool_filter=IN_POOL)
        if not served:
            yield warn(
                "nightly", "the server has no deployment of Sluice", "Start: sluice up (or: prefect deploy --all)"
            )
            return
        active = [each.name for each in served if not each.paused and any(s.active for s in each.schedules)]
        known = client.read_workers_for_work_pool(POOL)
        workers = [worker for worker in known if worker.status == WorkerStatus.ONLINE]
        watched = any(each.enabled for each in client.read_automations_by_name(MISSED))
    if not active:
        yield warn("nightly", "no schedule is active", "Activate it in the UI (Deployments), or: sluice up")
    elif not workers:
        yield warn(
            "nightly",
            "a schedule is active, but no worker would run it",
            "sluice up, or: prefect worker start -p sluice",
        )
    else:
        yield ok("nightly", f"{', '.join(active)}: a schedule is active, {len(workers)} workers wait")
    if not watched:
        yield warn("nightly", "the server would not report a missed night", "Apply automations.yaml: sluice setup")


def channels(send: bool) -> Iterator[Finding]:
    """The notification block of each contract: whether it loads and, if asked, takes a message."""
    named: dict[str | None, list[str]] = {}
    for contract in contracts().values():
        named.setdefault(contract.alerts, []).append(contract.dataset_id)
    for block, datasets in named.items():
        yield channel(block, ", ".join(datasets), send)


def channel(block: str | None, datasets: str, send: bool) -> Finding:
    """One notification block, for those whose owners it reaches."""
    if block is None:
        advice = "Create a notification block and name it: Contract(alerts='slack-webhook/data-team'); docs/alerts.md"
        return warn("channels", f"{datasets}: no notification channel is set up: nobody will be alerted", advice)
    if problem := alerts.unusable(block):
        found = f"{datasets}: {block} cannot be used, so nobody will be alerted: {problem}"
        advice = "Create it (docs/alerts.md), then: sluice doctor --send"
        return fail("channels", found, advice, 5) if send else warn("channels", found, advice)
    if not send:
        return ok("channels", f"{datasets}: {block} loads. To send a test message: sluice doctor --send")
    owner = next(each.owner for each in contracts().values() if each.alerts == block)
    said = ["This is a test of the notification channel. No action is needed."]
    if alerts.send(messages.render("test_message", messages.Facts(said), owner=owner), block):
        return ok("channels", f"{datasets}: {block} accepted a test message; check that it arrived")
    return fail("channels", f"{datasets}: {block} did not accept the test message", "The warning above says why")

"""The flows that publish held or rejected rows: replay and release."""

from __future__ import annotations

from sluice import Summary, finish, flow, release, replay, transform


@flow(name="replay", flow_run_name="replay {dataset} {batch}")
def replay_batch(dataset: str, batch: str) -> Summary:
    """Load a batch again from its own rows and its quarantine, under the contract as it is now."""
    delivered = replay(dataset, batch)
    marts = transform()
    return finish(delivered, marts)


@flow(name="release", flow_run_name="release {dataset} {batch}")
def release_batch(dataset: str, batch: str, why: str, who: str | None = None) -> Summary:
    """Publish a held batch although its gate is closed. Who decided so, and why, stays in the ledger."""
    delivered = release(dataset, batch, why, who)
    marts = transform()
    return finish(delivered, marts)

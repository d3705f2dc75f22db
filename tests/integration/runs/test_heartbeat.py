"""Which runs the heartbeat counts."""

from __future__ import annotations

import pytest

from sluice.runs import plan
from tests.support import taxi


@pytest.mark.long
def test_a_run_of_everything_is_a_beat_and_one_by_hand_of_something_is_none(sluice, tmp_path, monkeypatch) -> None:
    taxi.csv(tmp_path / "2019-02.csv", taxi.trips("2019-02", 20, passengers=0))
    assert sluice("run", "tlc__yellow_trips", "--url", str(tmp_path / "{batch}.csv")).code == 2
    assert sluice("heartbeat").code == 3
    monkeypatch.setattr(plan, "deliveries", lambda *_: [])  # a night in which no provider has a file due
    assert sluice("run").code == 0
    assert sluice("heartbeat").code == 0

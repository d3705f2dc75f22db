"""Which files `sluice run --watch` takes: new ones that no longer change, each once until it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.contract.errors import ConfigError
from sluice.runs.plan import deliveries
from sluice.server import watch
from sluice.source.files import Listing

ZONES = ("tlc__zones", "all")


def listing(size: int) -> Listing:
    return Listing("zones.csv", size, None, "2024-01-01")


def test_a_file_is_taken_once_it_no_longer_grows_and_again_only_when_it_changes() -> None:
    taken: dict[tuple[str, str], Listing] = {}
    before: watch.Files = {}
    took = []
    for size in (1, 2, 3, 3, 3, 3, 4, 4, 4):
        now = {ZONES: listing(size)}
        for key in watch.ready(now, before, taken):
            took.append(size)
            taken[key] = now[key]
        before = now
    assert took == [3, 4]


def test_only_files_that_a_run_would_load_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))  # where no warehouse is
    file = tmp_path / "zones.csv"
    with pytest.raises(ConfigError, match="nothing to load"):
        watch.new_files(["tlc__zones"], str(file))
    file.write_text("LocationID,Borough,Zone,service_zone\n1,EWR,Newark Airport,EWR\n")
    found = watch.new_files(["tlc__zones"], str(file))
    assert {key: each.size for key, each in found.items()} == {ZONES: file.stat().st_size}
    assert deliveries(["tlc__zones"], None, str(file))
    assert not (tmp_path / "home").exists()


def test_an_unknown_dataset_ends_the_watch_at_once() -> None:
    with pytest.raises(ConfigError, match="unknown dataset"):
        watch.watch(["tlc__zonez"], None, 1, print)


def test_files_of_one_look_are_taken_in_the_order_in_which_their_datasets_load() -> None:
    now = {("z__parents", "2"): listing(1), ("z__parents", "1"): listing(1), ("a__children", "all"): listing(1)}
    assert watch.ready(now, now, {}) == list(now)


def test_a_batch_that_a_failed_run_judged_is_not_taken_again() -> None:
    before, after = {"held before": 1, "again held": 2}, {"held before": 1, "again held": 5, "published": 6}
    asked = ["held before", "again held", "published", "failed"]
    assert watch.came_to_verdict(asked, before, after) == ["again held", "published"]

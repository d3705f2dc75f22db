"""Files come from Google Cloud Storage, S3 and Prefect storage blocks, over the real protocols."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import httpx
import pytest
import sqlalchemy as sa
from prefect import flow
from prefect.filesystems import LocalFileSystem, RemoteFileSystem
from pytest_httpserver import HTTPServer

from sluice.contract.batches import EachFile
from sluice.contract.errors import ConfigError
from sluice.project.datasets import contract_for, contracts
from sluice.runs import lifecycle, plan
from sluice.source import buckets
from sluice.source.fetch import fetch, listed, look
from sluice.source.files import Listing, SourceMissing, SourceUnavailable
from sluice.source.parts import several
from sluice.steps import deliver
from sluice.warehouse import connection as warehouse_connection
from tests.support import stores
from tests.support.stores import BUCKET, Store

ZONES = b"LocationID,Borough,Zone,service_zone\n1,EWR,Newark Airport,EWR\n"
MORE = ZONES + b"4,Manhattan,Alphabet City,Yellow Zone\n"


@pytest.fixture(scope="module")
def s3() -> Iterator[Store]:
    with stores.s3() as store:
        yield store


@pytest.fixture(scope="module")
def gcs() -> Iterator[Store]:
    with stores.gcs() as store:
        yield store


@pytest.fixture(params=["s3", "gcs"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Each kind of store in turn, which this machine uses with credentials of its own."""
    found: Store = request.getfixturevalue(request.param)
    stores.forget_credentials(monkeypatch)
    for name, value in stores.environment(found).items():
        monkeypatch.setenv(name, value)
    return found


def brought(address: str, folder: Path) -> bytes:
    return fetch(look(address), folder).path.read_bytes()


def test_an_object_is_fetched_whole_once_and_a_replaced_one_anew(store: Store, tmp_path: Path) -> None:
    address = store.put("in/zones.csv", ZONES)
    pieces: list[int] = []
    listing = look(address)
    assert listing.size == len(ZONES)
    assert listing.etag
    assert listing.modified
    file = fetch(listing, tmp_path, pieces.append)
    assert (file.path.read_bytes(), file.path.name, sum(pieces)) == (ZONES, "zones.csv", len(ZONES))
    assert [path.name for path in file.path.parent.iterdir()] == ["zones.csv"]
    assert look(address) == listing, "the same bytes look the same"
    fetch(listing, tmp_path, pieces.append)
    assert sum(pieces) == len(ZONES), "it was here already"

    store.put("in/zones.csv", ZONES.replace(b"Newark", b"NEWARK"))
    assert look(address) != listing, "as long as before, but other bytes"
    assert b"NEWARK" in brought(address, tmp_path)


def test_what_is_not_there_is_missing(store: Store) -> None:
    for address in (f"{store.scheme}://{BUCKET}/none.csv", f"{store.scheme}://no-such-bucket/none.csv"):
        with pytest.raises(SourceMissing, match="does not exist"):
            look(address)


def test_an_object_replaced_while_it_is_fetched_is_no_mixture(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = store.put("in/moving.csv", ZONES)
    listing = look(address)
    arrived = buckets._Pieces.relative_update

    def replace_meanwhile(self: buckets._Pieces, inc: int = 1) -> None:
        store.put("in/moving.csv", MORE)
        arrived(self, inc)

    monkeypatch.setattr(buckets._Pieces, "relative_update", replace_meanwhile)
    with pytest.raises(SourceUnavailable, match="replaced while it was fetched"):
        fetch(listing, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_refusal_and_missing_credentials_are_told_in_one_line(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stores.forget_credentials(monkeypatch)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="credentials"):
        look("s3://zoom/zones.csv")
    httpserver.expect_request("/zoom/zones.csv").respond_with_data(status=403)
    for name, value in stores.environment(Store("s3", httpserver.url_for("/").rstrip("/"))).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SourceMissing, match="access denied") as caught:
        look("s3://zoom/zones.csv")
    assert stores.KEYS["aws_secret_access_key"] not in str(caught.value)


@pytest.mark.parametrize(("address", "extra"), [("gs://b/a.csv", "gcs"), ("s3://b/a.csv", "s3"),
    ("block://gcs-bucket/zoom-gcs/a.csv", "gcs"), ("block://s3-bucket/zoom/a.csv", "s3")])  # fmt: skip
def test_a_missing_extra_is_named_with_the_command_that_brings_it(
    address: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, {"gcs": "gcsfs", "s3": "s3fs"}[extra], None)
    with pytest.raises(ConfigError) as caught:
        look(address)
    assert f"pip install 'sluice-elt[{extra}]'" in str(caught.value)
    assert caught.value.exit_code == 5


# ---- blocks


def test_a_gcs_bucket_block_brings_its_own_key(
    gcs: Store, prefect_server: str, httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect_gcp import GcpCredentials, GcsBucket

    stores.forget_credentials(monkeypatch)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.endpoint)
    httpserver.expect_request("/token", method="POST").respond_with_data(
        stores.token_answer(), content_type="application/json"
    )
    key = GcpCredentials(service_account_info=stores.service_account(httpserver.url_for("/token")))
    GcsBucket(bucket=BUCKET, gcp_credentials=key, bucket_folder="taxis").save("zoom-gcs", overwrite=True)
    gcs.put("taxis/zones.csv", ZONES)
    assert brought("block://gcs-bucket/zoom-gcs/zones.csv", tmp_path) == ZONES
    assert httpserver.log, "the block's key was shown for a token"


def test_an_s3_bucket_block_brings_its_own_keys_and_endpoint(
    s3: Store, prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect_aws import AwsCredentials, S3Bucket
    from prefect_aws.client_parameters import AwsClientParameters

    stores.forget_credentials(monkeypatch)
    parameters = AwsClientParameters(endpoint_url=s3.endpoint)
    keys = AwsCredentials(**stores.KEYS, region_name="us-east-1", aws_client_parameters=parameters)
    S3Bucket(bucket_name=BUCKET, credentials=keys, bucket_folder="taxis/").save("zoom-s3", overwrite=True)
    s3.put("taxis/2024/zones.csv", ZONES)
    assert brought("block://s3-bucket/zoom-s3/2024/zones.csv", tmp_path) == ZONES


def test_prefects_own_file_systems_are_read_too(prefect_server: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "zones.csv").write_bytes(ZONES)
    LocalFileSystem(basepath=str(tmp_path / "in")).save("inbox", overwrite=True)
    RemoteFileSystem(basepath="memory://in").save("inbox", overwrite=True)
    fsspec.filesystem("memory").pipe("/in/zones.csv", ZONES)
    for kind in ("local-file-system", "remote-file-system"):
        assert brought(f"block://{kind}/inbox/zones.csv", tmp_path / kind) == ZONES
        assert listed(f"block://{kind}/inbox/") == {"zones.csv": look(f"block://{kind}/inbox/zones.csv")}


def test_a_block_that_is_none_or_no_storage_is_refused(prefect_server: str) -> None:
    from prefect.blocks.system import Secret

    Secret(value="x").save("no-storage", overwrite=True)
    with pytest.raises(ConfigError, match="sluice setup"):
        look("block://local-file-system/nobody/a.csv")
    with pytest.raises(ConfigError, match="not a supported storage block"):
        look("block://secret/no-storage/a.csv")


# ---- the whole way


def test_a_corrected_object_replaces_its_batch(
    s3: Store, sluice: Callable, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.forget_credentials(monkeypatch)
    for name, value in stores.environment(s3).items():
        monkeypatch.setenv(name, value)

    @flow
    def load(url: str) -> list[str]:
        deliveries = plan.deliveries(["tlc__zones"], None, url)
        lifecycle.ensure_tables(warehouse_connection.open_warehouse())
        return [outcome.verdict for outcome in deliver.deliver_dataset(deliveries)]

    address = s3.put("zones.csv", ZONES)
    assert load(address) == ["published"]
    assert load(address) == ["unchanged"]
    s3.put("zones.csv", MORE)
    assert load(address) == ["published"]
    with engine.connect() as connection:
        zones = sa.text("select location_id from staging.tlc__zones order by 1")
        assert connection.scalars(zones).all() == [1, 4]


def test_each_file_of_a_bucket_is_a_batch_and_a_file_that_cannot_be_one_is_reported_until_it_is_gone(
    store: Store, sluice: Callable, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = contract_for("tlc__zones")
    folder = f"{store.scheme}://{BUCKET}/each/"
    each = replace(zones, files=replace(zones.files, url=folder, batches=EachFile(r"(?:.*/)?zones_(.+)[.]csv")))
    monkeypatch.setitem(contracts(), "tlc__zones", each)

    @flow
    def load() -> list[tuple[str, str]]:
        lifecycle.ensure_tables(warehouse_connection.open_warehouse())
        deliveries = plan.deliveries(["tlc__zones"], None, None)
        return [(outcome.batch, outcome.verdict) for outcome in deliver.deliver_dataset(deliveries)]

    def still_open() -> list[str]:
        with engine.connect() as connection:
            return list(connection.scalars(sa.text("select subject from ops.incidents where resolved_at is null")))

    for name, body in (("zones_b.csv", MORE), ("deep/zones_a.csv", ZONES), ("other.csv", ZONES)):
        store.put(f"each/{name}", body)
    assert load() == [("a", "published"), ("b", "published")]
    store.put("each/zones_b.csv", MORE.replace(b"Alphabet", b"ALPHABET"))
    wrong = store.put("each/zones_c d.csv", ZONES)
    assert load() == [("", "failed"), ("a", "unchanged"), ("b", "published")]
    assert [subject.rstrip() for subject in still_open()] == ["batch tlc__zones"]
    remove = getattr(store, "boto", None) if store.scheme == "s3" else None
    if remove is None:
        httpx.delete(f"{store.endpoint}/storage/v1/b/{BUCKET}/o/each%2Fzones_c%20d.csv").raise_for_status()
    else:
        remove().delete_object(Bucket=BUCKET, Key=wrong.removeprefix(f"s3://{BUCKET}/"))
    assert load() == [("a", "unchanged"), ("b", "unchanged")]
    assert still_open() == []
    with engine.connect() as connection:
        found = connection.execute(sa.text("select _batch, zone from staging.tlc__zones order by 1, location_id"))
        assert [tuple(row) for row in found] == [
            ("a", "Newark Airport"),
            ("b", "Newark Airport"),
            ("b", "ALPHABET City"),
        ]


def test_several_objects_are_one_batch_which_any_of_them_makes_new(store: Store, tmp_path: Path) -> None:
    zones = contract_for("tlc__zones")
    template = f"{store.scheme}://{BUCKET}/parts/zones_{{batch}}_*.csv"

    def found() -> dict[str, Listing]:
        return several.batches_in(template, zones, listed(several.folder_of(template, zones)))

    for part, body in (("b", MORE), ("a", ZONES)):
        store.put(f"parts/zones_all_{part}.csv", body)
    before = found()["all"]
    assert [part.address[-5:] for part in before.parts] == ["a.csv", "b.csv"]
    assert before.parts == tuple(look(part.address) for part in before.parts)  # as each says of itself
    whole = fetch(before, tmp_path)
    assert [part.path.read_bytes() for part in whole.parts] == [ZONES, MORE]
    assert (whole.etag, whole.size) == (before.etag, before.size)
    store.put("parts/zones_all_b.csv", MORE.replace(b"Alphabet", b"ALPHABET"))
    assert found()["all"].etag != before.etag
    assert fetch(found()["all"], tmp_path).sha256 != whole.sha256

"""What an address is called, which ones are opened, and how a template becomes the addresses of batches."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.contract.batches import Single
from sluice.contract.errors import ConfigError
from sluice.source.addresses import (
    Address,
    check,
    discover,
    expand,
    filled,
    hide,
    is_remote,
    is_web,
    local_path,
    reveal,
    scheme_of,
)
from tests.support.parcels import PARCELS, parcels


def refusal(address: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check(address)
    return str(caught.value)


# ---- names


def test_an_address_is_shown_by_its_name_and_opened_as_it_is() -> None:
    signed = Address("https://host/a.csv?sig=secret")
    assert "secret" not in signed
    assert signed.real == "https://host/a.csv?sig=secret"
    assert Address(signed) is signed


def test_a_template_that_was_hidden_is_found_again_by_its_name() -> None:
    template = "https://host/{batch}.csv?token=secret-of-a-test"
    name = hide(template)
    assert name == str(Address(template)) != template
    assert name.startswith("https://host/{batch}.csv")
    assert "secret" not in name
    assert reveal(name) == template
    assert reveal("/in/{batch}.csv") == "/in/{batch}.csv"


@pytest.mark.parametrize(
    ("address", "scheme", "remote", "web"),
    [
        ("HTTPS://host/a", "https", True, True),
        ("http://host/a", "http", True, True),
        ("gs://b/a", "gs", True, False),
        ("S3://b/a", "s3", True, False),
        ("block://a/b/c", "block", True, False),
        ("file:///a", "file", False, False),
        ("/in/a.csv", "", False, False),
        ("https:/host/a", "", False, False),
        ("a://b://c", "a", False, False),
    ],
)
def test_the_scheme_tells_what_is_fetched(address: str, scheme: str, remote: bool, web: bool) -> None:
    assert (scheme_of(address), is_remote(address), is_web(address)) == (scheme, remote, web)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/in/a.csv", "/in/a.csv"),
        ("in/a.csv", "in/a.csv"),
        ("~/a.csv", "{home}/a.csv"),
        ("file:///in/a%20b.csv", "/in/a b.csv"),
        ("FILE:///in/a.csv", "/in/a.csv"),
        ("file://localhost/in/a.csv", "/in/a.csv"),
        ("/in/a%20b.csv", "/in/a%20b.csv"),
    ],
)
def test_a_local_address_is_a_path(address: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_path(address) == Path(path.replace("{home}", str(tmp_path)))


@pytest.mark.parametrize("address", ["file://host/in/a.csv", "file:in/a.csv", "file:", "file://localhost"])
def test_a_file_address_of_another_host_or_without_a_root_is_refused(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        local_path(address)
    assert str(caught.value) == f"{address}: a file address is written file:///folder/name"
    assert refusal(address) == str(caught.value)


# ---- what is opened


@pytest.mark.parametrize(
    "address",
    [
        "/in/a.csv",
        "in/a.csv",
        "C:\\in\\a.csv",
        "x:y",
        "file:///in/a.csv",
        "https://host/a.csv",
        "HTTP://host:80/a.csv",
        "https://host",
        "https://[2001:db8::1]:8080/a.csv",
        "s3://bucket/a.csv",
        "gs://bucket/folder/a..b.csv",
        "block://gcs-bucket/zoom-1/folder/a.csv",
        "https://host/a:b@c.csv",
    ],
)
def test_an_address_of_a_known_kind_is_given_back_as_it_is(address: str) -> None:
    assert check(address) == address


SCHEME = (
    "is not a supported scheme; use a local path, or an address that begins with https://, gs://, s3:// or "
    "block://type/name/ (a Prefect storage block)"
)
BLOCK = "a block's file is written block://type/name/path; prefect block ls lists them"
BUCKET = "does not name a file in a bucket: write it as s3://bucket/folder/name"
SECRET = "addresses are logged and kept, so they must not contain a user or password"
CHAIN = "chained addresses are not opened; name the file itself"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "'': not a valid file address"),
        ("a\0b", "'a\\x00b': not a valid file address"),
        ("a\nb", "'a\\nb': not a valid file address"),
        ("ftp://host/a.csv", f"ftp://host/a.csv: ftp: {SCHEME}"),
        ("FTP://host/a", f"FTP://host/a: ftp: {SCHEME}"),
        ("https:/host/a", f"https:/host/a: https: {SCHEME}"),
        ("s3:b/a", f"s3:b/a: s3: {SCHEME}"),
        ("zip://a::/b.zip", f"zip://...::...: {CHAIN}"),
        ("https://", "https://: names no host"),
        ("http:///a.csv", "http:///a.csv: names no host"),
        (
            "https://host:port/a",
            "https://host:port/a: not a valid web address: Port could not be cast to integer value as 'port'",
        ),
        ("http://host:99999/a", "http://host:99999/a: not a valid web address: Port out of range 0-65535"),
        ("block://gcs-bucket/zoom", f"block://gcs-bucket/zoom: {BLOCK}"),
        ("block://gcs-bucket/zoom/", f"block://gcs-bucket/zoom/: {BLOCK}"),
        ("block://GcsBucket/zoom/a", f"block://GcsBucket/zoom/a: {BLOCK}"),
        ("block://gcs-bucket/Zoom/a", f"block://gcs-bucket/Zoom/a: {BLOCK}"),
        ("block:///zoom/a", f"block:///zoom/a: {BLOCK}"),
        ("block://gcs-bucket/zoom/../a", f"block://gcs-bucket/zoom/../a: {BUCKET}"),
        ("s3://bucket", f"s3://bucket: {BUCKET}"),
        ("s3://bucket/", f"s3://bucket/: {BUCKET}"),
        ("gs:///a.csv", f"gs:///a.csv: {BUCKET}"),
        ("gs://bucket/a/../../b", f"gs://bucket/a/../../b: {BUCKET}"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_how_it_is_written(address: str, said: str) -> None:
    assert refusal(address) == said


@pytest.mark.parametrize(
    "address",
    [
        "https://user:hunter2@host/a.csv",
        "https://user@host/a.csv",
        "s3://user:hunter2@bucket/a.csv",
        "s3://user@bucket/a.csv",
        "gs://bucket:hunter2/a.csv",
    ],
)
def test_a_user_or_password_is_refused_and_not_shown(address: str) -> None:
    said = refusal(address)
    assert said.endswith(f": {SECRET}")
    assert "hunter2" not in said


# ---- templates


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("/in/{batch.csv", "/in/{batch.csv: not a valid template: expected '}' before end of string"),
        ("/in/{day}.csv", "/in/{day}.csv: {day} is unknown; a template knows {batch}, {dataset}, {entity}"),
        ("/in/{}_{zone}.csv", "/in/{}_{zone}.csv: {} is unknown; a template knows {batch}, {dataset}, {entity}"),
    ],
)
def test_a_template_says_what_it_may_hold(template: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        filled(template, PARCELS, "2024-01")
    assert str(caught.value).startswith(said)


def test_doubled_braces_are_braces() -> None:
    assert filled("/in/{{x}}_{batch}_{batch}.csv", PARCELS, "2024-01") == "/in/{x}_2024-01_2024-01.csv"


def test_each_batch_has_an_address_of_its_own_that_is_opened_with_its_secret() -> None:
    (address,) = expand("https://host/{entity}-{batch}.csv?sig=secret", PARCELS, ["2024-01"]).values()
    assert address.real == "https://host/parcels-2024-01.csv?sig=secret"
    assert "secret" not in address
    with pytest.raises(ConfigError) as caught:
        expand("https://host/a.csv?sig=secret", PARCELS, ["2024-01", "2024-02"])
    assert "has no {batch}, so all batches of post__parcels would be one file" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_same_batch_must_stand_in_every_place_of_a_path(tmp_path: Path) -> None:
    for name in ("2024-01/p_2024-01.csv", "2024-01/p_2024-02.csv", "2024-02/p_2024-02.csv", "2024-03/p_2024-03.csv.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert discover(f"{tmp_path}/{{batch}}/p_{{batch}}.csv", PARCELS) == ("2024-01", "2024-02")
    assert discover(f"file://{tmp_path}/{{batch}}/p_{{batch}}.csv", PARCELS) == ("2024-01", "2024-02")


def test_one_file_is_the_batch_of_a_dataset_that_has_one(tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    once = parcels(batches=Single(name="everything"))
    assert discover(str(file), once) == ()
    file.write_text("x")
    assert discover(str(file), once) == ("everything",)
    assert discover(str(file), PARCELS) == (), "which month it is, nobody knows"
    with pytest.raises(ConfigError, match="cannot be listed; name the batches with --batch"):
        discover("s3://bucket/{batch}.csv", PARCELS)

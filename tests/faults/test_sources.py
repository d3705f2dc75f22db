"""Hostile and unlucky source files: addresses that hold secrets or lead inward, files that change or vanish."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pytest_httpserver import HTTPServer as WebServer
from werkzeug import Response

from sluice.contract.checks.version import version_of
from sluice.contract.errors import ConfigError, DataError
from sluice.contract.formatting import address_name
from sluice.runs.plan import news
from sluice.runs.tasks import listing_key
from sluice.source.addresses import expand
from sluice.source.fetch import fetch, look
from sluice.source.files import Listing, SourceMissing, SourceUnreadable
from sluice.source.readers.row_stream import open_rows
from tests.support.parcels import GOOD, HEADER, PARCELS, parcels

CSV = f"{HEADER}\n{GOOD}\n".encode()
OTHER = CSV.replace(b"fragile", b"sturdy!")  # as long
SIGNED = "X-Amz-Credential=KEYID&X-Amz-Signature=SECRET&X-Amz-Expires=60"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "parcels_2024-01.csv"
    path.write_bytes(CSV)
    return path


# ---- what addresses show


@pytest.mark.parametrize(
    "address",
    [
        "http://user:hunter2@host:99999/", "ftp://user:hunter2@host/a", "s3://user:hunter2@bucket/a.csv",
        "simplecache::http://user:hunter2@host/a", "zip://a.csv::http://user:hunter2@host/b.zip",
        "http://user:hunter2@a/x::http://b/c", "https://user:hun/ter2@host/a", "https://user:hunter2@/a",
        "http:user:hunter2@host/a", "http://user:hunter2@host:port/a", "http://user:hunter2@[::1/a",
        "https://user:hunter2@host/{month}", "https://us@er:hunter2@host/a",
    ],
)  # fmt: skip
def test_a_refusal_shows_no_password(address: str) -> None:
    for refused in (look, lambda given: expand(given, PARCELS, ["2024-01"])):
        with pytest.raises(ConfigError) as caught:
            refused(address)
        assert "hunter2" not in str(caught.value)
        assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(
    "query",
    ["X-Amz-Signature={}", "X-Goog-Signature={}", "sv=2024-01-01&sig={}", "token={}", "access_token={}", "apikey={}",
     "password={}", "Signature={}&Key-Pair-Id={}", "{}", "x={}", "Authorization={}"],
)  # fmt: skip
def test_a_name_shows_no_value_of_a_query_and_is_its_own_name(query: str) -> None:
    name = address_name(f"https://host/a.csv?month=2024-01&{query.replace('{}', 'hunter2')}#hunter2")
    assert name.startswith("https://host/a.csv?month=2024-01&")
    assert "hunter2" not in name
    assert address_name(name) == name


def test_a_file_that_is_signed_again_keeps_its_name_and_is_not_loaded_again(
    httpserver: WebServer, tmp_path: Path
) -> None:
    httpserver.expect_request("/in/2024-01.csv").respond_with_data(CSV, headers={"ETag": '"1"'})

    def come(signature: str) -> tuple[Listing, str]:
        template = httpserver.url_for("/in/{batch}.csv") + f"?{SIGNED.replace('SECRET', signature)}"
        listing = look(expand(template, PARCELS, ["2024-01"])["2024-01"])
        return listing, str(fetch(listing, tmp_path / signature))

    (first, said), (again, _) = come("SECRET1"), come("SECRET2")
    asked = {request.args["X-Amz-Signature"] for request, _ in httpserver.log}
    assert asked == {"SECRET1", "SECRET2"}, "the server is shown the signature itself"
    assert "SECRET" not in said + str(first) + repr(first)
    assert first == again

    class Known:  # the ledger's row
        contract_version, address, etag = version_of(PARCELS), str(first.address), first.etag
        modified, bytes = first.modified, first.size

    assert news(PARCELS, again, Known) == ()  # type: ignore[arg-type]
    Known.address = httpserver.url_for("/in/2024-01.csv") + f"?{SIGNED}"  # as a ledger of before has it
    assert news(PARCELS, again, Known) == ()  # type: ignore[arg-type]


def test_two_files_that_only_a_token_tells_apart_stay_two(httpserver: WebServer, tmp_path: Path) -> None:
    httpserver.expect_request("/export").respond_with_handler(
        lambda request: Response(CSV if request.args["token"] == "one" else OTHER, headers={"ETag": '"1"'})
    )
    one, two = (look(httpserver.url_for("/export") + f"?token={token}") for token in ("one", "two"))
    assert one.address == two.address
    assert fetch(one, tmp_path).path.read_bytes() == CSV
    assert fetch(two, tmp_path).path.read_bytes() == OTHER


def test_an_address_cannot_lead_prefects_cache_out_of_its_folder_or_show_there() -> None:
    listing = Listing("http://host/../../x?token=hunter2", 1, "etag/../..", None)
    key = listing_key(None, {"listing": listing})  # type: ignore[arg-type]
    assert key is not None
    assert not set(key) & set("/.:?"), key
    assert "hunter2" not in key
    assert len(key) < 100


# ---- which hosts are asked


@pytest.fixture
def public_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_SOURCE_HOSTS", "")


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "0xA9FEA9FE", "2852039166", "0251.0376.0251.0376", "169.254.43518", "[fe80::1]",
        "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]", "100.100.100.200",
    ],
)  # fmt: skip
def test_an_address_that_tells_a_cloud_machines_secrets_is_never_opened(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_SOURCE_HOSTS", "0.0.0.0/0, ::/0")
    with pytest.raises(ConfigError):
        look(f"http://{host}/latest/meta-data")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "10.1.2.3", "192.168.0.1", "100.64.0.1", "[::1]",
             "[fd12::1]", "0.0.0.0", "[::]", "[::ffff:10.0.0.1]"],
)  # fmt: skip
def test_a_private_or_loopback_host_is_refused_unless_it_is_listed(host: str, public_only: None) -> None:
    with pytest.raises(ConfigError):
        look(f"http://{host}:9/a.csv")


def test_what_a_name_resolves_to_is_looked_at_at_each_redirect(
    httpserver: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`localhost` is a name that resolves to a host inside. It is listed until the server has redirected once."""

    def redirect(_: object) -> Response:
        monkeypatch.setenv("SLUICE_SOURCE_HOSTS", "")
        return Response(status=302, headers={"Location": "/a.csv"})

    httpserver.expect_request("/old").respond_with_handler(redirect)
    httpserver.expect_request("/a.csv").respond_with_data(CSV)
    with pytest.raises(ConfigError, match=r"hosts under \[sources\] in sluice.toml"):
        look(f"http://localhost:{httpserver.port}/old")
    assert [request.path for request, _ in httpserver.log] == ["/old"]


def test_a_listed_host_is_asked_by_name_number_or_network(
    httpserver: WebServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    httpserver.expect_request("/a.csv").respond_with_data(CSV)
    for listed, host in (("localhost", "localhost"), ("127.0.0.1", "127.0.0.1"), ("127.0.0.0/8", "localhost")):
        monkeypatch.setenv("SLUICE_SOURCE_HOSTS", f"elsewhere, {listed}")
        assert look(f"http://{host}:{httpserver.port}/a.csv").size == len(CSV)
    monkeypatch.delenv("SLUICE_SOURCE_HOSTS")
    (tmp_path / "sluice.toml").write_text('[sources]\nhosts = ["127.0.0.1"]\n')
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    assert look(f"http://127.0.0.1:{httpserver.port}/a.csv").size == len(CSV)
    with pytest.raises(ConfigError):
        look("http://10.0.0.1/a.csv")


@pytest.fixture
def on_ipv6() -> Iterator[int]:
    """The port of a web server at ::1."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CSV)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(CSV)

    class Server(HTTPServer):
        address_family = socket.AF_INET6

    try:
        server = Server(("::1", 0), Answer)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_an_ipv6_address_with_two_colons_is_no_chain(
    on_ipv6: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLUICE_SOURCE_HOSTS", "::1")
    assert fetch(look(f"http://[::1]:{on_ipv6}/a.csv"), tmp_path).path.read_bytes() == CSV


# ---- which folders are read


def test_local_files_can_be_bound_to_folders_and_no_link_leads_out(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (tmp_path / "sluice.toml").write_text('[sources]\nfolders = ["inbox"]\n')
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    inside = inbox / "a.csv"
    inside.write_bytes(CSV)
    assert fetch(look(str(inside)), tmp_path).path == inside
    (inbox / "link.csv").symlink_to(file)
    for outside in (file, inbox / "link.csv", inbox / ".." / file.name):
        with pytest.raises(ConfigError, match=r"folders under \[sources\] in sluice.toml"):
            look(str(outside))
    listing = look(str(inside))
    inside.unlink()
    inside.symlink_to(file)  # after the look
    with pytest.raises(ConfigError, match="folders"):
        fetch(listing, tmp_path)


# ---- files that change, vanish, or cannot be read


def test_a_file_that_the_disk_does_not_give_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="cannot be read"):
        fetch(look("/proc/self/mem"), tmp_path)  # a regular file whose first byte cannot be read
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(SourceUnreadable, match="cannot be read"):
        look(str(tmp_path / "a"))


def test_a_file_that_vanishes_is_one_message_at_any_step(file: Path, tmp_path: Path) -> None:
    listing, fetched = look(str(file)), fetch(look(str(file)), tmp_path)
    file.unlink()
    with pytest.raises(SourceMissing, match="the file has disappeared"):
        fetch(listing, tmp_path)
    with pytest.raises(DataError, match="or disappeared"):
        open_rows(fetched, PARCELS, "2024-01")


def test_a_file_that_vanishes_while_it_is_read_is_one_message(file: Path, tmp_path: Path) -> None:
    with open_rows(fetch(look(str(file)), tmp_path), PARCELS, "2024-01") as stream:
        file.unlink()
        with pytest.raises(DataError, match="or disappeared"):
            list(stream)


def replace(file: Path, body: bytes) -> None:
    """Another file of the same size and time in its place, as `cp -p` and `mv` leave it."""
    before = file.stat()
    new = file.with_name("new")
    new.write_bytes(body)
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(file)


def test_bytes_other_than_those_of_the_fingerprint_are_never_loaded(file: Path, tmp_path: Path) -> None:
    fetched = fetch(look(str(file)), tmp_path)
    replace(file, OTHER)
    with pytest.raises(DataError, match="changed while it was read"):
        open_rows(fetched, PARCELS, "2024-01")
    with open_rows(fetch(look(str(file)), tmp_path), PARCELS, "2024-01") as stream:
        replace(file, CSV)
        with pytest.raises(DataError, match="changed while it was read"):
            list(stream)


def test_what_prefect_keeps_of_a_replaced_file_is_not_used_again(
    file: Path, prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sluice.runs.new_files import fetched

    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    listing = look(str(file))
    first = fetched(listing)
    replace(file, OTHER)
    assert look(str(file)) == listing, "its name, size and time say that it is the same"
    again = fetched(listing)
    assert again.sha256 != first.sha256
    with open_rows(again, PARCELS, "2024-01") as stream:
        assert sum(len(rows) for rows in stream) == 1


@pytest.mark.parametrize("change", [{"delimiter": ";"}, {"multiline": True}, {"max_field_bytes": 10}, {"records": "a"}])
def test_a_change_of_how_files_are_read_loads_them_again(change: dict[str, object]) -> None:
    assert version_of(parcels(**change)) != version_of(PARCELS)
    assert version_of(parcels()) == version_of(PARCELS)

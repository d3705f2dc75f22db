"""Source files are found, told apart by their bytes, and brought here whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sluice.contract.errors import ConfigError, DataError, SluiceError, ToolError
from sluice.source import download_cache
from sluice.source.addresses import discover, expand
from sluice.source.fetch import fetch, look
from sluice.source.files import Listing, SourceMissing, SourceUnavailable
from sluice.source.sniff import EmptyFile
from tests.support.parcels import GOOD, HEADER, PARCELS

CSV = f"{HEADER}\n{GOOD}\n".encode()


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"ParcelID": [1]}), sink)
    return sink.getvalue()


def fetched(path: Path | str, tmp_path: Path):  # type: ignore[no-untyped-def]
    return fetch(look(str(path)), tmp_path / "cache")


# ---- local files


def test_a_local_file_is_used_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "parcels.csv"
    path.write_bytes(CSV)
    pieces: list[int] = []
    file = fetch(look(str(path)), tmp_path / "cache", pieces.append)
    assert (file.path, file.size, sum(pieces)) == (path, len(CSV), len(CSV))
    assert file.sha256 == hashlib.sha256(CSV).hexdigest()
    assert not (tmp_path / "cache").exists()
    assert look(f"file://{path}").size == len(CSV)


def zipped(name: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(name, CSV)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (CSV, ("csv", None)),
        (gzip.compress(CSV, mtime=0), ("csv", "gzip")),
        (zstandard.compress(CSV), ("csv", "zstd")),
        (b"\xef\xbb\xbf" + CSV, ("csv", None)),
        (parquet(), ("parquet", None)),
        (gzip.compress(parquet(), mtime=0), ("parquet", "gzip")),
        (zipped("a.csv"), ("csv", "zip")),
        (b'{"id": 1}\n', ("json", None)),
        (b'\xef\xbb\xbf \n[\n  {"id": 1}]', ("json", None)),
        (zipped("xl/workbook.xml"), ("excel", None)),
    ],
)
def test_the_bytes_tell_the_format_whatever_the_name(tmp_path: Path, body: bytes, kind: tuple[str, str | None]) -> None:
    path = tmp_path / "misnamed.xlsx"
    path.write_bytes(body)
    file = fetched(path, tmp_path)
    assert (file.format, file.compression) == kind


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (zstandard.compress(b""), "is empty"),
        (b"<!DOCTYPE html><html>", "an HTML or XML page"),
        (b"  \n<HTML><body>busy", "an HTML or XML page"),
        (b"<?xml version='1.0'?><Error/>", "an HTML or XML page"),
        ("\u0438\u043c\u044f,\u0433\n".encode("utf-16-le"), "UTF-16 text: iconv"),
        (b"[[1, 2], [3, 4]]", "JSON whose rows are arrays"),
        (gzip.compress(gzip.compress(CSV, mtime=0), mtime=0), "compressed twice"),
        (gzip.compress(b"<html>", mtime=0), "page .* inside gzip"),
        (gzip.compress(CSV, mtime=0)[:20], "damaged"),
        (b"BZh91AY", "bzip2 data is damaged"),
        (b"PK\x03\x04", "not a whole zip archive"),
    ],
)
def test_what_is_neither_csv_nor_parquet_is_called_by_its_name(tmp_path: Path, body: bytes, message: str) -> None:
    path = tmp_path / "parcels.csv"
    path.write_bytes(body)
    with pytest.raises(DataError, match=message) as caught:
        fetched(path, tmp_path)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, EmptyFile) == ("is empty" in message)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="no such file"):
        look(str(tmp_path / "nothing.csv"))


def test_a_pipe_is_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is a pipe"):
        look(str(tmp_path / "pipe"))


@pytest.mark.parametrize(
    "address",
    [
        "s3://user:pw@bucket/a.csv", "s3://bucket", "gs://bucket/../other/a.csv", "gs:bucket/a.csv",
        "block://gcs-bucket/zoom-gcs", "block://GcsBucket/zoom/a.csv", "block://gcs-bucket/zoom/../a.csv",
        "azure://box/a.csv", "ftp://host/a.csv", "local:///etc/passwd", "data:,a", "simplecache::file:///etc/passwd",
        "zip://a.csv::http://host/b.zip", "file://host/etc/passwd", "http:/a", "http://", "https://user:pw@host/a.csv",
        "http://169.254.169.254/latest/meta-data", "http://[fe80::1]/a", "github://a:b@/c", "memory://a",
        "javascript:alert(1)", "http://host:port/a", "", "a\nb",
    ],
)  # fmt: skip
def test_only_paths_and_addresses_of_known_kinds_are_opened(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        look(address)
    assert "pw" not in str(caught.value)


# ---- templates


def test_a_template_becomes_one_address_per_batch() -> None:
    addresses = expand("/in/{dataset}/{entity}_{batch}.csv", PARCELS, ["2024-01", "2024-02"])
    assert addresses == {
        "2024-01": "/in/post__parcels/parcels_2024-01.csv",
        "2024-02": "/in/post__parcels/parcels_2024-02.csv",
    }


@pytest.mark.parametrize(
    ("template", "batch"),
    [
        ("/in/{batch}.csv", "../../etc/passwd"), ("/in/{batch}.csv", "2023-12"),
        ("/in/{month}.csv", "2024-01"),
        ("/in/{batch!r}{0}.csv", "2024-01"), ("/in/{batch.csv", "2024-01"), ("ftp://in/{batch}", "2024-01"),
    ],
)  # fmt: skip
def test_a_template_or_batch_that_leads_elsewhere_is_refused(template: str, batch: str) -> None:
    with pytest.raises(ConfigError):
        expand(template, PARCELS, [batch])


def test_a_template_without_a_batch_cannot_stand_for_two() -> None:
    assert expand("/in/all.csv", PARCELS, ["2024-01"]) == {"2024-01": "/in/all.csv"}
    with pytest.raises(ConfigError, match="would be one file"):
        expand("/in/all.csv", PARCELS, ["2024-01", "2024-02"])


def test_the_batches_in_a_folder_are_found_in_order_and_strangers_ignored(tmp_path: Path) -> None:
    folder = tmp_path / "[2024]"
    folder.mkdir()
    for name in (
        "p_2024-03.csv",
        "p_2024-01.csv",
        "p_2024-13.csv",
        "p_latest.csv",
        "p_2023-12.csv",
        "q_2024-02.csv",
    ):
        (folder / name).write_text("x")
    assert discover(f"{folder}/p_{{batch}}.csv", PARCELS) == ("2024-01", "2024-03")
    assert discover(f"{folder}/none_{{batch}}.csv", PARCELS) == ()
    with pytest.raises(ConfigError, match="cannot be listed"):
        discover("https://host/{batch}.csv", PARCELS)


# ---- the folder of downloads


def test_only_downloads_that_nothing_needs_any_more_are_removed(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "downloads", tmp_path / "inbox" / "parcels.csv"
    fetched_at = time.time() - 3 * 86400
    for path in (folder / "old" / "a.csv", folder / "old-but-used" / "b.csv", folder / "new" / "c.csv", elsewhere):
        path.parent.mkdir(parents=True)
        path.write_bytes(CSV)
        if path.parent.name != "new":
            os.utime(path, (fetched_at, fetched_at))
            os.utime(path.parent, (fetched_at, fetched_at))
    (folder / "a-link").symlink_to(elsewhere.parent)
    download_cache.used(folder / "old-but-used" / "b.csv", folder)
    download_cache.used(elsewhere, folder)
    assert download_cache.expire(folder) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["a-link", "new", "old-but-used"]
    assert elsewhere.stat().st_mtime == elsewhere.parent.stat().st_mtime == fetched_at, "left alone"
    assert download_cache.expire(tmp_path / "none") == 0


# ---- the web


def serve(server: HTTPServer, body: bytes = CSV, **headers: str) -> str:
    server.expect_request("/in/parcels.csv").respond_with_data(body, headers=headers)
    return server.url_for("/in/parcels.csv")


def test_a_web_file_is_downloaded_whole(httpserver: HTTPServer, tmp_path: Path) -> None:
    address = serve(httpserver, ETag='"v1"', **{"Last-Modified": "Tue, 02 Jan 2024 03:04:05 GMT"})
    listing = look(address)
    assert listing == Listing(address, len(CSV), '"v1"', "2024-01-02T03:04:05+00:00")
    pieces: list[int] = []
    file = fetch(listing, tmp_path, pieces.append)
    assert (file.path.read_bytes(), file.path.name, sum(pieces)) == (CSV, "parcels.csv", len(CSV))
    assert file.etag == '"v1"'
    assert [path.name for path in file.path.parent.iterdir()] == ["parcels.csv"]


def test_a_web_file_that_is_here_already_is_not_downloaded_again(httpserver: HTTPServer, tmp_path: Path) -> None:
    listing = look(serve(httpserver, ETag='"v1"'))
    first = fetch(listing, tmp_path)
    requests = len(httpserver.log)
    assert fetch(listing, tmp_path) == first
    assert len(httpserver.log) == requests


def test_an_object_replaced_after_the_look_is_taken_as_it_is_now(httpserver: HTTPServer, tmp_path: Path) -> None:
    versions = iter(['"v1"', '"v2"'])
    httpserver.expect_request("/a.csv").respond_with_handler(lambda _: Response(CSV, headers={"ETag": next(versions)}))
    listing = look(httpserver.url_for("/a.csv"))
    file = fetch(listing, tmp_path)
    assert (listing.etag, file.etag) == ('"v1"', '"v2"')


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, SourceMissing), (403, SourceMissing), (410, SourceMissing), (401, SourceMissing),
        (408, SourceUnavailable), (429, SourceUnavailable), (500, SourceUnavailable),
        (503, SourceUnavailable),
    ],
)  # fmt: skip
def test_a_refusal_stays_and_a_servers_trouble_may_heal(
    httpserver: HTTPServer, status: int, error: type[SluiceError]
) -> None:
    httpserver.expect_request("/a.csv").respond_with_data(b"no", status=status)
    with pytest.raises(error, match=f"HTTP {status}") as caught:
        look(httpserver.url_for("/a.csv"))
    assert isinstance(caught.value, ToolError)


def test_a_server_without_head_is_asked_with_get(httpserver: HTTPServer) -> None:
    def answer(request: Request) -> Response:
        return Response(status=405) if request.method == "HEAD" else Response(CSV)

    httpserver.expect_request("/a.csv").respond_with_handler(answer)
    assert look(httpserver.url_for("/a.csv")).size == len(CSV)


def test_an_error_page_that_calls_itself_200_is_no_file(httpserver: HTTPServer, tmp_path: Path) -> None:
    address = serve(httpserver, b"<!DOCTYPE html><title>Busy</title>")
    with pytest.raises(DataError, match="HTML or XML page") as caught:
        fetched(address, tmp_path)
    assert address in str(caught.value)


def test_a_redirect_within_the_host_is_followed(httpserver: HTTPServer, tmp_path: Path) -> None:
    serve(httpserver)
    httpserver.expect_request("/old").respond_with_data(status=302, headers={"Location": "/in/parcels.csv"})
    assert fetched(httpserver.url_for("/old"), tmp_path).size == len(CSV)


@pytest.mark.parametrize("target", ["http://127.0.0.2:1/x", "http://169.254.169.254/", "file:///etc/passwd"])
def test_a_redirect_to_another_place_is_refused(httpserver: HTTPServer, target: str) -> None:
    httpserver.expect_request("/old").respond_with_data(status=302, headers={"Location": target})
    with pytest.raises(ConfigError):
        look(httpserver.url_for("/old"))


def test_a_redirect_in_a_circle_ends(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/old").respond_with_data(status=302, headers={"Location": "/old"})
    with pytest.raises(ToolError, match="redirected more than"):
        look(httpserver.url_for("/old"))


@contextmanager
def raw_server(*answers: bytes) -> Iterator[str]:
    """A server that sends these bytes, one answer per connection, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for body in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(body)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/a.csv"
        thread.join(5)


CUT = {
    "shorter than its Content-Length": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + CSV,
    "cut in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n" + CSV[:20],
}


@pytest.mark.parametrize("body", CUT.values(), ids=CUT)
def test_a_body_cut_short_leaves_nothing_behind(tmp_path: Path, body: bytes) -> None:
    with raw_server(body) as address, pytest.raises(SourceUnavailable, match="try again"):
        fetch(Listing(address, None, None, None), tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_body_whose_length_nobody_knows_is_refused(tmp_path: Path) -> None:
    body = b"HTTP/1.0 200 OK\r\n\r\n" + CSV
    with raw_server(body) as address, pytest.raises(ToolError, match="does not say how long"):
        fetch(Listing(address, None, None, None), tmp_path)


def test_a_server_that_is_not_there_may_come_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceUnavailable):
        look(f"http://127.0.0.1:{port}/a.csv")


@pytest.mark.parametrize("name", ["/%2e%2e%2f%2e%2e%2fescaped", "/..%5C..%5Cescaped", "/%2e%2e", "/.hidden", "/"])
def test_a_name_in_an_address_cannot_lead_out_of_the_folder(httpserver: HTTPServer, tmp_path: Path, name: str) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_data(CSV)
    file = fetched(httpserver.url_for("/") + name.lstrip("/"), tmp_path)
    assert file.path.parent.parent == tmp_path / "cache"

"""A token in an address reaches the server that asks for it, and nothing else."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.support.repository import ROOT

SECRET = "Qz7-never-to-be-seen"
QUERY = f"?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}&key={SECRET}"


def everything_in(engine: sa.Engine) -> Iterator[str]:
    """Each row of each table of the warehouse, as text."""
    with engine.connect() as connection:
        tables = connection.execute(
            sa.text(
                "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname !~ '^(pg_|information)'"
            )
        )
        for (table,) in tables.all():
            yield from connection.scalars(sa.text(f"select t::text from {table} t"))


def files_with_the_secret(*folders: Path) -> list[str]:
    return [
        f"{path}"
        for folder in folders
        for path in folder.rglob("*")
        if SECRET in str(path) or (path.is_file() and SECRET.encode() in path.read_bytes())
    ]


@pytest.mark.long
def test_a_token_is_in_no_message_ledger_site_file_or_record_of_prefect(
    sluice: Callable, engine: sa.Engine, httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("werkzeug"), "level", logging.ERROR)  # the server that is asked may show it

    def answer(request: Request) -> Response:
        shown = request.args.get("X-Amz-Signature") == SECRET
        body = (ROOT / "tests/data/tlc__zones/good.csv").read_bytes()
        return Response(body, headers={"ETag": '"1"'}) if shown else Response(status=403)

    httpserver.expect_request("/zones.csv").respond_with_handler(answer)
    loaded = sluice("run", "tlc__zones", "--url", httpserver.url_for("/zones.csv") + QUERY)
    refused = sluice("run", "tlc__zones", "--url", httpserver.url_for("/gone.csv") + QUERY)
    unreachable = sluice("run", "tlc__zones", "--url", f"http://127.0.0.1:1/{{batch}}.csv{QUERY}", "--json")
    again = sluice("run", "tlc__zones", "--url", httpserver.url_for("/zones.csv") + QUERY)
    plan = sluice("plan", "tlc__zones", "--url", httpserver.url_for("/zones.csv") + QUERY, "--json")
    status = sluice("status", "--json")
    assert (refused.code, unreachable.code) == (3, 3)
    assert "/gone.csv?X-Amz-Credential=...&X-Amz-Signature=...&key=~" in refused.err
    assert sum(request.method == "GET" for request, _ in httpserver.log if request.path == "/zones.csv") == 1, again.out

    texts = list(everything_in(engine))
    assert any("/zones.csv?X-Amz-Credential=..." in text for text in texts), "the ledger has its name"
    assert not [text for text in texts if SECRET in text]
    for said in (loaded, refused, unreachable, again, plan, status):
        assert SECRET not in said.out + said.err
    assert files_with_the_secret(Path(os.environ["PREFECT_HOME"]), tmp_path) == []

"""Datasets that reference each other, in one run of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

CONTRACTS = {
    "parents": """
class Rows(pa.DataFrameModel):
    id: Int = column("Number.", unique=True)
""",
    # While it is audited for the first time, the parent loses a batch: what another run may do.
    "children": """
class Rows(pa.DataFrameModel):
    id: Int = column("Number.", unique=True)
    parent_id: Int = column("Number of the parent.", references="shop__parents.id")

    @pa.check("parent_id", name="meanwhile", element_wise=True)
    def meanwhile(cls, value):
        if not MARK.exists():
            MARK.touch()
            with sa.create_engine(URL).begin() as connection:
                connection.execute(sa.text("delete from staging.shop__parents where _batch = '2024-02'"))
                connection.execute(sa.text("update ops.batches set status = 'superseded' where batch = '2024-02'"))
        return True
""",
}
HEAD = """
from pathlib import Path
import pandera.pandas as pa
import sqlalchemy as sa
from sluice import Contract, Files, Gate, Int, Monthly, column

MARK, URL = Path({mark!r}), {url!r}
"""
END = """
CONTRACT = Contract("shop", "{entity}", "me@example.com", Rows,
                    Files("{inbox}/{entity}_{{batch}}.csv", Monthly("2024-01")), Gate(max_rejected=0.5))
"""
FLOW = """
from __future__ import annotations
from sluice import Summary, deliver, finish, flow


@flow(name="nightly")
def nightly(datasets: list[str] | None = None, batches: list[str] | None = None, url: str | None = None) -> Summary:
    return finish(deliver(datasets, batches, url))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: sa.URL) -> Path:
    root = tmp_path / "project"
    for folder in ("contracts", "flows"):
        (root / folder).mkdir(parents=True)
    (root / "sluice.toml").write_text('[project]\nid = "references"\n')
    (root / "flows/nightly.py").write_text(FLOW)
    head = HEAD.format(mark=str(tmp_path / "mark"), url=database.render_as_string(hide_password=False))
    for entity, model in CONTRACTS.items():
        text = head + model + END.format(entity=entity, inbox=tmp_path)
        (root / f"contracts/shop_{entity}.py").write_text(text)
    monkeypatch.setenv("SLUICE_PROJECT", str(root))
    monkeypatch.chdir(root)
    return root


@pytest.mark.long
def test_parents_come_first_and_a_batch_whose_parent_changed_is_audited_again(
    sluice, engine, project: Path, tmp_path: Path
) -> None:
    for batch, number in (("2024-01", 1), ("2024-02", 2)):
        (tmp_path / f"parents_{batch}.csv").write_text(f"id\n{number}\n")
    (tmp_path / "children_2024-03.csv").write_text("id,parent_id\n1,1\n2,2\n")

    said = sluice("run")
    assert said.code == 0, said.err
    with engine.connect() as connection:
        found = connection.execute(sa.text("select id, parent_id from staging.shop__children")).tuples().all()
        order = connection.scalars(sa.text("select dataset from ops.batches order by load_id")).all()
        kept = connection.scalars(sa.text("select count from ops.reference_loads")).all()
    assert order == ["shop__parents", "shop__parents", "shop__children"]
    assert found == [(1, 1)]  # the second audit no longer found parent 2
    assert kept == [1]

    # The parent's file is replaced by one without the key: the child stays, and the run warns.
    (tmp_path / "parents_2024-01.csv").write_text("id\n9\n")
    said = sluice("run", "shop__parents")
    assert said.code == 0, said.err
    lost = "1 published row of shop__children (2024-03) with a parent_id that is no longer published in shop__parents"
    assert lost in said.out + said.err

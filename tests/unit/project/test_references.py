"""References between the datasets of a project: they exist, have one type, and give an order."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.contract.columns import column
from sluice.contract.errors import ContractError
from sluice.contract.registry import load_contracts
from sluice.project.init.write import init
from sluice.runs import plan

CONTRACT = """
from __future__ import annotations

import pandera.pandas as pa
from sluice import Contract, Files, Int, Single, Text, column


class Things(pa.DataFrameModel):
    thing_id: {kind} = column("Number."{reference})


CONTRACT = Contract("shop", "{entity}", "you@example.com", Things, Files("{{entity}}.csv", Single()))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = init(tmp_path / "shop").root
    monkeypatch.chdir(root)
    return root


def add(root: Path, entity: str, references: str = "", kind: str = "Int") -> None:
    reference = f', references="{references}"' if references else ""
    (root / f"contracts/{entity}.py").write_text(CONTRACT.format(entity=entity, reference=reference, kind=kind))
    (root / f"{entity}.csv").write_text("thing_id\n1\n")


def test_a_dataset_is_loaded_after_those_that_it_references(project: Path) -> None:
    add(project, "a", "shop__c.thing_id")
    add(project, "b")
    add(project, "c", "shop__d.thing_id")
    add(project, "d")
    found = [each.contract.entity for each in plan.deliveries(None, None, None)]
    assert found == ["d", "c", "a", "b"]
    named = [each.contract.entity for each in plan.deliveries(["shop__a", "shop__d"], None, None)]
    assert named == ["a", "d"]  # the dataset between them is not part of the run


@pytest.mark.parametrize(
    ("reference", "kind", "message"),
    [
        (
            "shop__b.thing_id",
            "Int",
            "thing_id references shop__b.thing_id, but there is no contract of shop__b",
        ),
        ("shop__c.other", "Int", "shop__a: thing_id references shop__c.other, but shop__c has no such column"),
        ("shop__c.thing_id", "Text", "which is integer, but it is text: give both one type"),
        ("shop__a.thing_id", "Int", "in a circle: shop__a -> shop__a"),
    ],
)
def test_a_reference_that_cannot_be_kept_is_refused(project: Path, reference: str, kind: str, message: str) -> None:
    add(project, "a", reference, kind)
    add(project, "c")
    with pytest.raises(ContractError) as error:
        load_contracts(project / "contracts")
    assert message in str(error.value)


def test_a_circle_of_references_is_refused(project: Path) -> None:
    add(project, "a", "shop__b.thing_id")
    add(project, "b", "shop__c.thing_id")
    add(project, "c", "shop__a.thing_id")
    with pytest.raises(ContractError, match="shop__a -> shop__b -> shop__c -> shop__a"):
        load_contracts(project / "contracts")


@pytest.mark.parametrize("written", ["shop__customers", "customers.id", "shop__customers.", ".id", "Shop__a.id", 3])
def test_a_reference_names_a_dataset_and_its_column(written: object) -> None:
    with pytest.raises(ContractError, match="name a dataset and its column"):
        column("Who.", references=written)  # type: ignore[arg-type]


SEVERAL = CONTRACT.replace("Single()))", "Single()), {references})")
PAIR = 'references={("thing_id", "other"): "shop__c(thing_id, other)"}'


@pytest.mark.parametrize(
    ("references", "message"),
    [
        (PAIR.replace("shop__c", "shop__b"), "but there is no contract of shop__b"),
        (PAIR.replace(', other)"', ', size)"'), "but shop__c has no such column (size)"),
        (PAIR.replace("c(thing_id, other)", "c(other, thing_id)"), "which is text, but it is integer (thing_id)"),
        (PAIR.replace('"other")', '"size")'), "it has no column 'size'"),
        (PAIR.replace(', other)"', ')"'), "are not pairs of columns"),
        (PAIR.replace("(thing_id, other)", ".thing_id"), "name a dataset and its columns, as in references="),
        ('references={("thing_id",): "shop__c(thing_id)"}', "use column(references='shop__c.thing_id')"),
    ],
)
def test_a_reference_of_several_columns_that_cannot_be_kept_is_refused(
    project: Path, references: str, message: str
) -> None:
    for entity, written in (("a", references), ("c", "references={}")):
        text = SEVERAL.format(entity=entity, reference="", kind="Int", references=written)
        text = text.replace('"Number.")\n', '"Number.")\n    other: Text = column("Name.")\n')
        (project / f"contracts/{entity}.py").write_text(text)
    with pytest.raises(ContractError) as error:
        load_contracts(project / "contracts")
    assert message in str(error.value)


def test_a_dataset_is_loaded_after_one_of_which_it_references_several_columns(project: Path) -> None:
    for entity, written in (("a", PAIR), ("c", "references={}")):
        text = SEVERAL.format(entity=entity, reference="", kind="Int", references=written)
        text = text.replace('"Number.")\n', '"Number.")\n    other: Text = column("Name.")\n')
        (project / f"contracts/{entity}.py").write_text(text)
        (project / f"{entity}.csv").write_text("thing_id,other\n1,x\n")
    assert [each.contract.entity for each in plan.deliveries(None, None, None)] == ["c", "a"]

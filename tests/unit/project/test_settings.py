"""sluice.toml: what it may say, and how a mistake in it is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.contract.derive import files
from sluice.contract.derive.schemas import Schemas
from sluice.contract.errors import ConfigError
from sluice.project import settings
from tests.support import shops


def read(folder: Path, text: str) -> settings.Settings:
    path = folder / "sluice.toml"
    path.write_text(text, encoding="utf-8")
    return settings.read(path)


def test_an_empty_file_means_the_default_names(tmp_path: Path) -> None:
    found = read(tmp_path, "")
    assert found.schemas.all == ("staging", "quarantine", "ops", "marts", "marts__live", "marts__a", "marts__b")
    with pytest.raises(ConfigError, match=r"sluice\.toml: \[project\] id is missing.*\n\[project\]\nid = "):
        _ = found.project_id


def test_schemas_are_named_one_by_one_and_the_sides_follow_the_marts(tmp_path: Path) -> None:
    found = read(tmp_path, '[project]\nid = "shop-1"\n[schemas]\nstaging = "shop_raw"\nmarts = "shop"\n')
    assert found.project_id == "shop-1"
    assert found.schemas == Schemas(staging="shop_raw", marts="shop")
    assert found.schemas.sides == ("shop__a", "shop__b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[schemas]\nstagign = 'x'", "unknown key 'stagign' in [schemas]: did you mean staging?"),
        ("[schema]\nstaging = 'x'", "unknown table [schema]: did you mean schemas?"),
        ("project = 'x'", "project must be a table"),
        ("[schemas]\nops = 3", "[schemas] ops must be a text, not 3"),
        ("[schemas]\nops = 'Ops; drop'", "[schemas] ops = 'Ops; drop' is not valid"),
        ("[schemas]\nops = 'public'", "'public' is PostgreSQL's own or everybody's"),
        ("[schemas]\nops = 'staging'", "[schemas] names 'staging' twice"),
        ("[schemas]\nstaging = 'marts__b'", "[schemas] names 'marts__b' twice"),
        ("[schemas]\nops = 'staging'\nstaging = 'raw'", "[schemas] ops = 'staging' is another one's default name"),
        (f"[schemas]\nmarts = '{'m' * 58}'", "at most 57 characters"),
        (f"[marts]\nschemas = ['{'f' * 58}']", "at most 57 characters"),
        ("[project]\nid = 'My Shop'", "[project] id = 'My Shop' is not valid"),
        ("[warehouse]\nengine = 'sparc'", "[warehouse] engine = 'sparc' is not valid: write 'postgres' or 'spark'"),
        ("[warehouse]\nengine = 'spark'", "engine = 'spark' needs the name of a block `Spark engine`: add spark_block"),
        ("[warehouse]\nspark_block = 'spark-engine/lake'", "spark_block is a name without its type: write 'lake'"),
        ("[warehouse]\nblock = 'lake'", "unknown key 'block' in [warehouse]"),
        ("[project", "cannot be read"),
    ],
)
def test_a_mistake_is_one_message_that_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert str(refused.value).startswith(str(tmp_path / "sluice.toml"))
    assert said in str(refused.value)


def test_a_new_id_is_valid_whatever_the_folder_is_called(tmp_path: Path) -> None:
    for name in ("shop", "My Shöp (2)", "...", "x" * 300):
        assert settings.ID.fullmatch(settings.new_id(name)), name
    assert settings.new_id("shop") != settings.new_id("shop")


def test_what_is_derived_from_contracts_names_the_project_s_schemas() -> None:
    named = files.derived_files([shops.contract()], Schemas(staging="raw_of_shop", ops="ops_of_shop"))
    text = "\n".join(named.values())
    assert "CREATE TABLE raw_of_shop." in text
    assert "schema: raw_of_shop" in text
    assert " staging." not in text

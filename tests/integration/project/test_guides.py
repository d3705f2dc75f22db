"""Python examples and settings of the guides, and which of their commands are typed: exceptions have a reason.

The commands are typed by test_guides_first.py, test_guides_later.py and test_guides_text.py, in a project each. The
tutorial's are typed by test_documentation.py, in an empty folder. That each command exists, with its options, is in
tests/unit/project/test_documentation.py.
"""

from __future__ import annotations

import subprocess
import tomllib

import pytest
import yaml

from tests.support.guided_project import FIRST, LATER, blocks_of
from tests.support.guides import BLOCKS, CONSOLE, NOT_TYPED, NOT_TYPED_IN_TEXT, Block, in_text


def test_every_block_is_a_language_that_is_tried_here() -> None:
    assert {block.language for block in BLOCKS} <= {"", "sh", "console", "python", "toml", "yaml", "sql", "text"}


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.is_typed], ids=lambda each: each.guide)
def test_what_is_typed_is_a_script_that_a_shell_can_read(block: Block) -> None:
    text = "\n".join(CONSOLE.findall(block.text)) or block.text
    if not text.startswith(("0 5 ", "dbt-core<")):
        read = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
        assert read.returncode == 0, read.stderr


def test_each_block_that_is_typed_belongs_to_one_part() -> None:
    typed = [each for each in BLOCKS if each.is_typed and each.script]
    assert [*blocks_of(FIRST), *blocks_of(LATER)] == sorted(typed, key=lambda block: block.guide not in FIRST)


def test_each_exception_is_of_a_command_that_is_there() -> None:
    texts = [block.text for block in BLOCKS]
    assert [each for each in NOT_TYPED if not any(each in text for text in texts)] == []
    assert [each for each in NOT_TYPED_IN_TEXT if not any(each in command for command in in_text())] == []


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language in ("toml", "yaml")], ids=str)
def test_settings_of_the_guides_can_be_read(block: Block) -> None:
    assert tomllib.loads(block.text) if block.language == "toml" else yaml.safe_load(block.text)


def test_the_python_of_the_guides_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.blocks.core import Block as PrefectBlock

    import sluice

    saved: list[str] = []
    monkeypatch.setattr(PrefectBlock, "save", lambda _, name: saved.append(name))  # there is no server here
    names = {name: getattr(sluice, name) for name in sluice.__all__}
    for block in (each for each in BLOCKS if each.language == "python"):
        text = block.text.replace("    ...\n", "    files=Files('a.csv', Single()), schema=TheSchema,\n").replace(
            "Contract(..., files", "Contract(source='shop', entity='orders', owner='a', schema=TheSchema, files"
        )
        exec(
            compile(text, block.guide, "exec", dont_inherit=True),
            {"__name__": "guide", **names, "TheSchema": schema()},
        )
    assert saved == ["data-team", "data-mail"]


def schema() -> type:
    import pandera.pandas as pa

    from sluice import Int, column

    return type("TheSchema", (pa.DataFrameModel,), {"__annotations__": {"n": Int}, "n": column("A number.")})

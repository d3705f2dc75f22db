"""Everything that is derived from the contracts, and never typed again. Pure: gives texts; the caller writes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from contracts.contract import Contract
from contracts.derive.ddl_file import ddl_sql
from contracts.derive.dictionary import dictionary_page
from contracts.derive.odcs import odcs_yaml
from contracts.derive.sources import sources_yaml

PROJECT = Path(__file__).parents[2]


def derived_files(contracts: Iterable[Contract]) -> dict[Path, str]:
    """Every generated file by its path."""
    chosen = sorted(contracts, key=lambda contract: contract.dataset_id)
    files: dict[Path, str] = {}
    for contract in chosen:
        files[PROJECT / "docs" / "dictionary" / f"{contract.dataset_id}.md"] = dictionary_page(contract)
        files[PROJECT / "docs" / "odcs" / f"{contract.dataset_id}.odcs.yaml"] = odcs_yaml(contract)
        files[PROJECT / "docs" / "ddl" / f"{contract.dataset_id}.sql"] = ddl_sql(contract)
    for source, group in groupby(chosen, key=lambda contract: contract.source):
        path = PROJECT / "dbt_project" / "models" / "staging" / source / f"_{source}__sources.generated.yml"
        files[path] = sources_yaml(group)
    return files


def stale_files(contracts: Iterable[Contract]) -> dict[Path, str]:
    """The generated files that are missing or differ, with what they should hold."""
    return {
        path: text
        for path, text in derived_files(contracts).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }

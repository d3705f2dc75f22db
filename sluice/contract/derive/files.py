"""Everything that is derived from the contracts, and never typed again. Pure: gives texts; the caller writes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import PurePosixPath

from sluice.contract.contract import Contract
from sluice.contract.derive.dbt_sources import sources_yaml
from sluice.contract.derive.ddl_file import ddl_sql
from sluice.contract.derive.dictionary import dictionary_page
from sluice.contract.derive.odcs import odcs_yaml
from sluice.contract.derive.schemas import DEFAULT, Schemas


def derived_files(contracts: Iterable[Contract], schemas: Schemas = DEFAULT) -> dict[PurePosixPath, str]:
    """Every generated file by its path below the project."""
    chosen = sorted(contracts, key=lambda contract: contract.dataset_id)
    files: dict[PurePosixPath, str] = {}
    for contract in chosen:
        files[PurePosixPath("docs/dictionary", f"{contract.dataset_id}.md")] = dictionary_page(contract)
        files[PurePosixPath("docs/odcs", f"{contract.dataset_id}.odcs.yaml")] = odcs_yaml(contract, schemas)
        files[PurePosixPath("docs/ddl", f"{contract.dataset_id}.sql")] = ddl_sql(contract, schemas)
    for source, group in groupby(chosen, key=lambda contract: contract.source):
        files[PurePosixPath("dbt_project/models/staging", source, f"_{source}__sources.generated.yml")] = sources_yaml(
            group, schemas
        )
    return files

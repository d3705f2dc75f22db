"""Load every contract of a folder, as modules of a package that is named after the project's path.

So a project's `contracts/` needs no `__init__.py`, hides no installed package of that name, and two projects can be
used in one process. Files whose names begin with `_` are shared by others: they import them as `from ._name import`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from sluice.contract.checks.names import references_of
from sluice.contract.columns import Reference
from sluice.contract.contract import Contract
from sluice.contract.errors import ConfigError, ContractError


def package_of(root: Path) -> str:
    """Name of the package that a project's modules are imported under; made when it is asked for first."""
    name = f"sluice_project_{sha256(str(root).encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        package = ModuleType(name, f"The project in {root}.")
        package.__path__ = [str(root)]
        sys.modules[name] = package
    return name


def forget_modules(folder: Path) -> None:
    """Let the modules of a project's folder be imported again: a file may have changed."""
    package = _package_name(folder)
    there = list(sys.modules)  # at once: other threads import, too
    for loaded in [name for name in there if name == package or name.startswith(f"{package}.")]:
        del sys.modules[loaded]
    importlib.invalidate_caches()


@contextmanager
def uncompiled() -> Iterator[None]:
    """Write no compiled module: a file of the same size, written in the same second, would be taken for the old one."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def load_contracts(folder: Path) -> dict[str, Contract]:
    """Every contract of the folder by dataset id, in alphabetical order.

    Raises:
        ContractError: a file cannot be imported, has no CONTRACT, two name the same dataset, or a column references
            what no contract has, or what depends on it.
    """
    found: dict[str, Contract] = {}
    forget_modules(folder)
    for file in sorted(folder.glob("*.py")):
        if file.name.startswith("_"):
            continue
        contract = _load(folder, file)
        if contract.dataset_id in found:
            raise ContractError(f"two files of {folder.name}/ declare {contract.dataset_id}")
        found[contract.dataset_id] = contract
    _refuse_dangling(found)
    load_order(found.values())
    return dict(sorted(found.items()))


def load_order(contracts: Iterable[Contract]) -> list[Contract]:
    """The contracts so that each comes after those that its columns reference; otherwise in the order given.

    Raises:
        ContractError: they reference each other in a circle.
    """
    known = {contract.dataset_id: contract for contract in contracts}
    needs = {name: [other for other in parents_of(contract) if other in known] for name, contract in known.items()}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise ContractError(
            f"datasets reference each other in a circle: {circle}. None of them could be loaded first: remove one "
            "references="
        ) from None
    ordered: dict[str, Contract] = {}

    def add(name: str) -> None:
        for other in needs[name]:
            add(other)
        ordered.setdefault(name, known[name])

    for name in known:
        add(name)
    return list(ordered.values())


def parents_of(contract: Contract) -> list[str]:
    """The datasets that a contract's columns reference, each once."""
    return list(dict.fromkeys(reference.dataset for reference in references_of(contract)))


def _refuse_dangling(contracts: Mapping[str, Contract]) -> None:
    for contract in contracts.values():
        own = {column.name: column.type for column in contract.columns}
        for reference in references_of(contract):
            dataset, what = reference.dataset, f"{contract}: {reference.check_name}"
            if dataset not in contracts:
                raise ContractError(f"{what}, but there is no contract of {dataset}")
            kinds = {each.name: each.type for each in contracts[dataset].columns}
            for column, name in zip(reference.columns, reference.names, strict=True):
                if name not in kinds:
                    raise ContractError(f"{what}, but {dataset} has no such column{_named(reference, name)}")
                if kinds[name] != own[column]:
                    is_one = f"which is {kinds[name]}, but it is {own[column]}{_named(reference, column)}"
                    raise ContractError(f"{what}, {is_one}: give both one type")


def _named(reference: Reference, column: str) -> str:
    return f" ({column})" if len(reference.columns) > 1 else ""


def load_contract(file: Path) -> Contract:
    """The contract of one file, in any folder. It may import its neighbours as `from ._name import`.

    Raises:
        ConfigError: there is no such file.
        ContractError: it cannot be imported, or has no CONTRACT.
    """
    if not file.is_file():
        raise ConfigError(f"{file}: no such file; --contract is the path of a file such as contracts/shop_orders.py")
    file = file.resolve()
    forget_modules(file.parent)
    package = ModuleType(_package_name(file.parent), f"The contracts in {file.parent}.")
    package.__path__ = [str(file.parent)]
    sys.modules[package.__name__] = package
    return _contract(f"{file.parent.name}/{file.name}", lambda: _import(f"{package.__name__}.{_word(file.stem)}", file))


def _import(name: str, file: Path) -> ModuleType:
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ContractError(f"{file}: is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module  # pandera looks its types up there
    spec.loader.exec_module(module)
    return module


def _package_name(folder: Path) -> str:
    return f"{package_of(folder.parent)}.{_word(folder.name)}"


def _word(name: str) -> str:
    """A name without dots, which would part it: as a temporary folder may have."""
    return name.replace(".", "_")


def _load(folder: Path, file: Path) -> Contract:
    name = f"{package_of(folder.parent)}.{folder.name}.{file.stem}"
    return _contract(f"{folder.name}/{file.name}", lambda: importlib.import_module(name))


def _contract(shown: str, load: Callable[[], ModuleType]) -> Contract:
    try:
        with uncompiled():
            module = load()
    except ContractError:
        raise
    except Exception as error:
        if advice := _former(error):
            raise ContractError(f"{shown} cannot be loaded: {advice}") from error
        # A contract is a user's code: any error in it is a fault of that file, and must name it.
        raise ContractError(f"{shown} cannot be loaded: {type(error).__name__}: {error}") from error
    contract = getattr(module, "CONTRACT", None)
    if not isinstance(contract, Contract):
        raise ContractError(f"{shown} has no CONTRACT: end it with CONTRACT = Contract(...)")
    return contract


def _former(error: Exception) -> str | None:
    """What to write in a file for an older Sluice: contracts/ held the engine too."""
    name = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    if name.split(".")[0] != "contracts":
        return None
    return (
        f"it imports {name}, which does not exist. Write `from sluice import Contract, Files, column, ...` for what is "
        "of Sluice, and `from ._name import ...` for a file beside this one"
    )

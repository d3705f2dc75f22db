"""What the wheel carries is enough for a project: quick, without a package index. The long walk is test_wheel.py."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.deliveries import parcels
from tests.support.repository import ROOT


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files, in a folder."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True)
    (made,) = folder.glob("*.whl")
    with zipfile.ZipFile(made) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def sluice(unpacked: Path, cwd: Path, *arguments: str) -> str:
    """The output of a command of the wheel's package, not of this checkout's."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    environment |= {"PYTHONPATH": str(unpacked), "HOME": str(cwd)}
    program = "import sluice, sys; assert sys.argv.pop(1) in sluice.__file__, sluice.__file__; sluice.main()"
    command = [sys.executable, "-P", "-c", program, str(unpacked), *arguments]
    said = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def test_a_new_project_of_the_wheel_takes_a_dataset(unpacked: Path, tmp_path: Path) -> None:
    sluice(unpacked, tmp_path, "init", "shop")
    shop = tmp_path / "shop"
    assert not [path for path in shop.rglob("*") if "tlc" in path.name or "trip" in path.name]
    assert list((shop / "dbt_project/macros/sluice").rglob("*.sql"))
    parcels(shop / "orders_2024-01.csv")
    sluice(unpacked, shop, "new", "shop", "orders", "--from", "orders_2024-01.csv")
    assert (shop / "contracts/shop_orders.py").is_file()
    assert "up to date" in sluice(unpacked, shop, "derive", "--check")


@pytest.mark.parametrize("example", [(), ("--example", "taxi")], ids=["empty", "taxi"])
def test_wheel_and_checkout_write_the_same_project(unpacked: Path, tmp_path: Path, example: tuple[str, ...]) -> None:
    found = []
    for name, source in (("wheel", unpacked), ("checkout", ROOT)):
        (tmp_path / name).mkdir()
        sluice(source, tmp_path / name, "init", "shop", *example)
        files = [path for path in (tmp_path / name / "shop").rglob("*") if path.is_file()]
        texts = {path.relative_to(tmp_path / name): path.read_text() for path in files}
        found.append({path: text for path, text in texts.items() if path.name != "sluice.toml"})  # its id is new
    assert found[0] == found[1]


def test_a_file_is_checked_in_a_folder_that_has_nothing_else(unpacked: Path, tmp_path: Path) -> None:
    for name in ("tlc_zones.py", "_tlc_trips.py"):
        (tmp_path / name).write_bytes((ROOT / "contracts" / name).read_bytes())
    (tmp_path / "zones.csv").write_text("LocationID,Borough,Zone,service_zone\n1,EWR,Newark Airport,EWR\n")
    said = sluice(unpacked, tmp_path, "check", "zones.csv", "--contract", "tlc_zones.py")
    assert "zones.csv, tlc__zones all: passed. 1 row read" in said

"""`sluice init` in a folder that has files: nothing of theirs is lost, and what it leaves is a project that works."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.cli import app
from sluice.project import paths
from sluice.project.datasets import contracts
from sluice.project.init import write
from sluice.project.init.write import init


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with code, which is the working directory."""
    for variable in (paths.VARIABLE, "SLUICE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def ended(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        app.main(list(arguments))
    return int(stop.value.code or 0), capsys.readouterr().err


@pytest.mark.parametrize("name", ["contracts", "flows", ".github", "dbt_project"])
def test_a_file_where_a_folder_is_needed_is_named_and_nothing_is_written(repository: Path, capsys, name: str) -> None:
    (repository / name).write_text("mine")
    code, err = ended(capsys, "init", ".")
    assert code == 5
    assert str(repository / name) in err
    assert err.count("\n") == 1
    assert [path.name for path in repository.rglob("*")] == [name]


@pytest.mark.parametrize(
    "file", ["contracts/lawyers.py", "flows/nightly.py", "dbt_project/dbt_project.yml", "profiles/profiles.yml"]
)
def test_files_of_other_tools_keep_their_folder_and_the_project_takes_another(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys, file: str
) -> None:
    mine = repository / file
    mine.parent.mkdir()
    mine.write_text("mine")
    code, err = ended(capsys, "init", ".")
    assert code == 5
    assert f"{file} is there already" in err
    assert [path for path in repository.rglob("*") if path.is_file()] == [mine]

    folder = mine.parent.name
    (repository / "sluice.toml").write_text(err[err.index("[project]") :])  # as the message says
    written = init(repository)
    assert [path for path in written.wrote if path.startswith(f"{folder}/")] == []
    assert list(mine.parent.iterdir()) == [mine]
    assert mine.read_text() == "mine"
    assert contracts() == {}
    assert ended(capsys, "derive", "--check")[0] == 0
    flows = paths.flows_folder().name
    assert f"entrypoint: {flows}/nightly.py:nightly" in (repository / "prefect.yaml").read_text()
    assert (repository / flows / "nightly.py").is_file()


def test_an_interrupted_init_is_completed_by_the_next(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_after_three(path: Path, text: str) -> bool:
        if len([each for each in repository.rglob("*") if each.is_file()]) == 3:
            raise KeyboardInterrupt
        return write_file(path, text)

    write_file = write.write_new
    with monkeypatch.context() as patch:
        patch.setattr(write, "write_new", stop_after_three)
        with pytest.raises(KeyboardInterrupt):
            init(repository)
    written = init(repository)
    assert "sluice.toml" in written.left
    assert "profiles/profiles.yml" in written.wrote
    assert contracts() == {}

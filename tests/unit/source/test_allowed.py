"""Which hosts and folders files may come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.contract.errors import ConfigError
from sluice.source.allowed import refuse_inward, refuse_outside


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SLUICE_SOURCE_HOSTS", raising=False)
    monkeypatch.delenv("SLUICE_SOURCE_FOLDERS", raising=False)
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    configure(tmp_path, "")
    return tmp_path


def configure(project: Path, sources: str) -> None:
    (project / "sluice.toml").write_text(f"[sources]\n{sources}\n")


def refusal(address: str, *resolved: str) -> str:
    """What is said of it; nothing where it may be asked."""
    try:
        refuse_inward(address, resolved)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "address",
    ["https://example.com/a.csv", "https://8.8.8.8/a.csv", "https://[2001:4860:4860::8888]/a.csv", "file:///tmp/a.csv",
     "https:///a.csv", "https:// /a.csv"],
)  # fmt: skip
def test_a_public_host_a_name_and_no_host_at_all_may_be_asked(address: str) -> None:
    assert refusal(address) == ""
    assert refusal(address, "8.8.4.4") == ""


@pytest.mark.parametrize(
    ("host", "meaning"),
    [
        ("10.1.2.3", ""), ("127.0.0.1", ""), ("::1", ""), ("0x7f000001", "127.0.0.1"), ("2130706433", "127.0.0.1"),
        ("192.168.257", "192.168.1.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("64:ff9b::a00:1", "10.0.0.1"),
        ("2002:a00:1::", "10.0.0.1"), ("10.0.0.1.", "-"), ("2001:0:0:0:0:0:f5ff:fffe", "10.0.0.1"),
    ],
)  # fmt: skip
def test_a_private_host_is_named_with_what_it_means_and_how_to_allow_it(host: str, meaning: str) -> None:
    written = f"[{host}]" if ":" in host else host
    shown = host.rstrip(".")
    which = f", which is {meaning}" if meaning.strip("-") else ""
    assert refusal(f"http://{written}/a.csv") == (
        f"host {shown}{which}: not on the public internet. If files may come from there, add {shown!r} to "
        "hosts under [sources] in sluice.toml (or to SLUICE_SOURCE_HOSTS)"
    )


@pytest.mark.parametrize(
    ("address", "resolved", "said"),
    [
        ("http://metadata.example/", "169.254.169.254", "host metadata.example, which is 169.254.169.254"),
        ("http://169.254.169.254/", "", "host 169.254.169.254"),
        ("http://[fe80::1]/", "", "host fe80::1"),
        ("http://[fd00:ec2::254]/", "", "host fd00:ec2::254"),
        ("http://[::ffff:100.100.100.200]/", "", "host ::ffff:100.100.100.200, which is 100.100.100.200"),
        ("http://oracle.example/", "192.0.0.192", "host oracle.example, which is 192.0.0.192"),
    ],
)
def test_what_gives_a_machines_secrets_is_refused_even_if_listed(
    address: str, resolved: str, said: str, project: Path
) -> None:
    configure(project, 'hosts = ["0.0.0.0/0", "::/0", "metadata.example", "oracle.example"]')
    assert refusal(address, *filter(None, [resolved])) == f"{said}: link-local and metadata addresses are not opened"


def test_every_address_of_a_name_is_looked_at() -> None:
    assert "which is 10.0.0.9" in refusal("http://files.example/", "8.8.8.8", "10.0.0.9")
    assert "which is 10.0.0.9" in refusal("http://8.8.8.8/", "10.0.0.9")


@pytest.mark.parametrize(
    ("listed", "may"),
    [
        ("files.internal", True), ("FILES.internal", True), ("other", False), ("10.0.0.0/8", True), ("10.0.0.9", True),
        ("10.0.0.9/8", True), ("10.0.0.8", False), ("192.168.0.0/16", False), ("other, 10.0.0.9", True),
        ("nonsense/99, files.internal", True), (" , files.internal , ", True), ("", False),
    ],
)  # fmt: skip
def test_a_private_host_is_listed_by_its_name_number_or_network(
    listed: str, may: bool, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ", ".join(f'"{each.strip()}"' for each in listed.split(",") if each.strip())
    configure(project, f"hosts = [{names}]")
    assert (refusal("http://Files.Internal./a.csv", "10.0.0.9") == "") is may
    configure(project, 'hosts = ["files.internal"]')
    monkeypatch.setenv("SLUICE_SOURCE_HOSTS", listed)  # wins over the file, also where it lists nothing
    assert (refusal("http://files.internal/a.csv", "10.0.0.9") == "") is may


@pytest.mark.parametrize(
    ("listed", "may"), [("[fd12::1]", True), ("fd12::1", True), ("fd12::/16", True), ("fd13::/16", False)]
)
def test_an_ipv6_host_is_listed_with_or_without_brackets(listed: str, may: bool, project: Path) -> None:
    configure(project, f'hosts = ["{listed}"]')
    assert (refusal("http://[fd12::1]/a.csv") == "") is may


def test_outside_of_a_project_nothing_private_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLUICE_PROJECT")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "sluice.toml").unlink()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "not on the public internet" in refusal("http://10.0.0.1/")
    refuse_outside(tmp_path / "a.csv", "a.csv")


def test_local_files_come_from_any_folder_or_from_those_that_are_listed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = project / "home"
    monkeypatch.setenv("HOME", str(home))
    for folder in ("inbox", "other", "home/drop", "inbox2"):
        (project / folder).mkdir(parents=True)
    refuse_outside(Path("/etc/hosts"), "hosts")
    configure(project, 'folders = ["inbox", "~/drop"]')
    refuse_outside(project / "inbox" / "a.csv", "a.csv")
    refuse_outside(project / "inbox" / "deep" / "a.csv", "a.csv")
    refuse_outside(home / "drop" / "a.csv", "a.csv")
    for outside in ("other/a.csv", "inbox2/a.csv", "inbox/../a.csv", "home/a.csv"):
        with pytest.raises(ConfigError) as refused:
            refuse_outside(project / outside, "the name")
        assert str(refused.value) == (
            "the name: is not in a folder that files may come from (inbox, ~/drop). To allow its folder, add it "
            "to folders under [sources] in sluice.toml"
        )
    monkeypatch.setenv("SLUICE_SOURCE_FOLDERS", f"{project / 'other'}: {project / 'inbox2'}")
    refuse_outside(project / "other" / "a.csv", "a.csv")
    refuse_outside(project / "inbox2" / "a.csv", "a.csv")
    with pytest.raises(ConfigError):
        refuse_outside(project / "inbox" / "a.csv", "a.csv")


def test_a_link_out_of_a_listed_folder_leads_outside(project: Path) -> None:
    (project / "inbox").mkdir()
    (project / "a.csv").write_text("id\n1\n")
    (project / "inbox" / "link.csv").symlink_to(project / "a.csv")
    configure(project, 'folders = ["inbox"]')
    with pytest.raises(ConfigError, match="is not in a folder"):
        refuse_outside(project / "inbox" / "link.csv", "link.csv")

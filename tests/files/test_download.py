"""Downloads against a real server that breaks, lies and stumbles."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from biolect.errors import DownloadError, InputError
from biolect.files import download
from tests.files.server import Site, serving

PAGE = bytes(range(256)) * 4_000
DIGEST, MD5 = hashlib.sha256(PAGE).hexdigest(), hashlib.md5(PAGE).hexdigest()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as running:
        running.pages["/genome.gz"] = PAGE
        yield running


def fetch(site: Site, path: Path, digest: str | None = MD5, **more) -> str:
    return download(f"{site.address}/genome.gz", path, digest, **({"pause_seconds": 0.001, "retries": 2} | more))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_is_known_by_its_digest(site: Site, tmp_path: Path) -> None:
    assert fetch(site, tmp_path / "new" / "g.gz") == DIGEST
    assert (tmp_path / "new" / "g.gz").read_bytes() == PAGE
    assert names(tmp_path / "new") == ["g.gz"]


def test_a_file_that_is_there_is_kept_and_checked(site: Site, tmp_path: Path) -> None:
    (tmp_path / "g.gz").write_bytes(PAGE)

    assert fetch(site, tmp_path / "g.gz") == DIGEST
    assert site.requests == []
    with pytest.raises(DownloadError, match=r"which is already there, is damaged or another version: md5 is .* Delete it"):
        fetch(site, tmp_path / "g.gz", "0" * 32)
    assert (tmp_path / "g.gz").exists()


def test_a_broken_transfer_goes_on_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.faults["/genome.gz"] = ["cut 300000", "cut 200000"]

    assert fetch(site, tmp_path / "g.gz") == DIGEST
    assert [asked for _, asked in site.requests] == [None, "bytes=300000-", "bytes=500000-"]


def test_a_later_call_goes_on_too(site: Site, tmp_path: Path) -> None:
    site.faults["/genome.gz"] = ["cut 300000", 503]
    with pytest.raises(DownloadError, match=r"in 2 attempts: .*503.*\. 300000 bytes are kept in '.*g\.gz\.part'; run the command again"):
        fetch(site, tmp_path / "g.gz", retries=1)
    assert names(tmp_path) == ["g.gz.part", "g.gz.part.tag"]

    assert fetch(site, tmp_path / "g.gz") == DIGEST
    assert site.requests[-1][1] == "bytes=300000-"
    assert names(tmp_path) == ["g.gz"]


def test_the_rest_of_another_version_is_not_glued_on(site: Site, tmp_path: Path) -> None:
    site.faults["/genome.gz"] = ["cut 300000", 503]
    with pytest.raises(DownloadError):
        fetch(site, tmp_path / "g.gz", retries=1)
    site.pages["/genome.gz"], site.tag = PAGE[::-1], '"two"'

    assert fetch(site, tmp_path / "g.gz", None) == hashlib.sha256(PAGE[::-1]).hexdigest()


def test_a_server_without_ranges_starts_again(site: Site, tmp_path: Path) -> None:
    site.resumes = False
    site.faults["/genome.gz"] = ["cut 300000"]

    assert fetch(site, tmp_path / "g.gz") == DIGEST


def test_a_part_that_is_whole_already_is_fetched_anew(site: Site, tmp_path: Path) -> None:
    (tmp_path / "g.gz.part").write_bytes(PAGE)
    (tmp_path / "g.gz.part.tag").write_text(site.tag)

    assert fetch(site, tmp_path / "g.gz") == DIGEST


def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.faults["/genome.gz"] = [503, 429]

    assert fetch(site, tmp_path / "g.gz") == DIGEST
    assert len(site.requests) == 3


def test_a_transfer_that_always_breaks_at_once_is_given_up(site: Site, tmp_path: Path) -> None:
    site.faults["/genome.gz"] = ["cut 0"] * 9

    with pytest.raises(DownloadError, match="could not be fetched in 3 attempts: the connection closed before the end"):
        fetch(site, tmp_path / "g.gz")
    assert len(site.requests) == 3


def test_a_wrong_digest_leaves_nothing(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"is damaged or another version: md5 is \w+, but 0+ was expected\. The bytes were thrown away"):
        fetch(site, tmp_path / "g.gz", "0" * 32)

    assert names(tmp_path) == []


@pytest.mark.parametrize(("status", "hint"), [(404, "Check the name or accession"), (403, "Check the address and your rights to it")])
def test_a_refusal_is_not_asked_again(site: Site, tmp_path: Path, status: int, hint: str) -> None:
    site.faults["/genome.gz"] = [status]

    with pytest.raises(DownloadError, match=rf"cannot be fetched: the server answers {status} .*\. {hint}\."):
        fetch(site, tmp_path / "g.gz")
    assert len(site.requests) == 1
    assert names(tmp_path) == []


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    with pytest.raises(DownloadError, match=r"could not be fetched in 2 attempts: .*refused"):
        download(f"http://127.0.0.1:{port}/x", tmp_path / "x", retries=1, pause_seconds=0.001)


def test_a_host_without_an_address_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(DownloadError, match="its host is not found. Is this machine online?"):
        download("http://nowhere.invalid/x", tmp_path / "x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_said(site: Site, tmp_path: Path) -> None:
    (tmp_path / "g.gz.part").symlink_to("/dev/full")

    with pytest.raises(InputError, match="^The disk is full"):
        fetch(site, tmp_path / "g.gz")

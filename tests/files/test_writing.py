"""Whole files or none."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from biolect.errors import InputError
from biolect.files import atomic_path, provenance, sha256, write_run_json


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_under_its_name_only_when_whole(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "out.txt"

    with atomic_path(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent

    assert path.read_text() == "half"
    assert names(path.parent) == ["out.txt"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), OSError("y")])
def test_a_failure_keeps_the_old_file_and_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")

    with pytest.raises(type(error)), atomic_path(path) as temporary:
        temporary.write_text("new")
        raise error

    assert path.read_text() == "old"
    assert names(tmp_path) == ["out.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "corpus"
    for content in ("old", "new"):
        with atomic_path(path) as temporary:
            (temporary / "deep").mkdir(parents=True)
            (temporary / "deep" / content).write_text(content)

    assert [p.name for p in path.rglob("*")] == ["deep", "new"]
    assert names(tmp_path) == ["corpus"]


def test_a_folder_is_not_replaced_by_a_file_nor_a_file_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "genes.fa").touch()

    with pytest.raises(InputError, match="is a folder, and a file is to be written"), atomic_path(tmp_path / "model") as temporary:
        temporary.touch()
    with pytest.raises(InputError, match="is a file, and a folder is to be written"), atomic_path(tmp_path / "genes.fa") as temporary:
        temporary.mkdir()

    assert names(tmp_path) == ["genes.fa", "model"]


def test_a_full_disk_is_known_in_the_words_of_other_libraries(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="The disk is full"), atomic_path(tmp_path / "x") as temporary:
        temporary.touch()
        raise RuntimeError("parquet: underlying IO error: No space left on device (os error 28)")

    assert names(tmp_path) == []


def test_a_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"), atomic_path(tmp_path / "corpus") as temporary:
        temporary.mkdir()
        (temporary / "part").touch()
        raise ValueError("stop")

    assert names(tmp_path) == []


def fail(code: int, path: str | None = None) -> None:
    raise OSError(code, os.strerror(code), path)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "The disk is full: '{}' was not written. Free some space, or write elsewhere."),
        (errno.EROFS, "'{}' cannot be written: the file system is read-only. Write elsewhere with --output."),
        (errno.EACCES, "'{}' cannot be written: permission denied in '{}'. Write elsewhere with --output."),
    ],
)
def test_a_disk_that_cannot_be_written_is_one_sentence(tmp_path: Path, code: int, message: str) -> None:
    path = tmp_path / "out.txt"

    with pytest.raises(InputError) as caught, atomic_path(path) as temporary:
        temporary.write_text("some")
        fail(code)

    assert str(caught.value) == message.format(path, tmp_path)
    assert names(tmp_path) == []


def test_an_input_that_may_not_be_read_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), atomic_path(tmp_path / "out.txt"):
        fail(errno.EACCES, "/secret/input.fa")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(InputError, match="permission denied"), atomic_path(tmp_path / "out.txt") as temporary:
        temporary.write_text("x")


def test_a_file_in_the_place_of_a_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="a part of its path is a file, not a folder"), atomic_path(tmp_path / "file" / "out.txt"):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_device_that_is_really_full_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="^The disk is full"), atomic_path(tmp_path / "out.txt"):
        with open("/dev/full", "wb") as stream:
            stream.write(b"x")


def test_digests_of_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    before = sha256(tmp_path)
    (tmp_path / "b").touch()

    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path) != before


def test_run_json_says_how_a_folder_came_about(tmp_path: Path) -> None:
    (tmp_path / "in.fa").write_bytes(b"abc")
    weights = {"sha256": "00", "licence": "CC0-1.0"}

    path = write_run_json(tmp_path / "out", inputs=[tmp_path / "in.fa", "-"], config="width: 8\n", weights=weights, seed=7, tokens=12)

    run = json.loads(path.read_text())
    assert path == tmp_path / "out" / "run.json"
    assert set(run["inputs"].values()) == {sha256(tmp_path / "in.fa"), None}
    assert run["config_sha256"] == hashlib.sha256(b"width: 8\n").hexdigest()
    assert (run["weights"], run["seed"], run["tokens"]) == (weights, 7, 12)
    assert run["wall_seconds"] > 0 and run["peak_memory_bytes"] > 1_000_000
    assert {"version", "git_commit", "command", "host"} <= run.keys()


def test_an_installed_package_has_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))

    run = json.loads(write_run_json(tmp_path).read_text())

    assert run["git_commit"] is None

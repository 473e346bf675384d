"""The door to compiled C++: kept, found again, made again when damaged, never fatal."""

from __future__ import annotations

import ctypes
import shutil

import pytest
import torch

from biolect.ops.native import addresses, library

pytestmark = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler here")

SOURCE = 'extern "C" void twice(double* x, long n) { for (long i = 0; i < n; i++) x[i] *= 2; }'


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "twice.cpp"
    path.write_text(SOURCE)
    return path


def run(functions):
    x = torch.tensor([1.0, 2.5], dtype=torch.float64)
    functions.twice(*addresses(x), ctypes.c_long(2))
    return x.tolist()


def test_what_is_compiled_runs_and_is_kept(source, tmp_path):
    first = library(source, tmp_path)
    (kept,) = (tmp_path / "native").iterdir()
    written = kept.stat().st_mtime_ns
    second = library(source, tmp_path)

    assert run(first.functions) == run(second.functions) == [2.0, 5.0]
    assert str(kept) in first.notice and [p.stat().st_mtime_ns for p in (tmp_path / "native").iterdir()] == [written]


def test_a_damaged_file_is_made_again(source, tmp_path):
    library(source, tmp_path)
    (kept,) = (tmp_path / "native").iterdir()
    whole = kept.read_bytes()
    kept.unlink()
    kept.write_bytes(whole[:1000])

    assert run(library(source, tmp_path).functions) == [2.0, 5.0]
    assert len(list((tmp_path / "native").iterdir())) == 1


def test_another_source_is_another_file(source, tmp_path):
    library(source, tmp_path)
    source.write_text(SOURCE.replace("2;", "3;"))

    assert run(library(source, tmp_path).functions) == [3.0, 7.5]


def test_what_does_not_compile_is_a_reason_not_an_error(source, tmp_path):
    source.write_text("int broken(")

    found = library(source, tmp_path)

    assert found.functions is None and "error" in found.notice
    assert list((tmp_path / "native").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_reason_not_an_error(source, tmp_path):
    (tmp_path / "file").write_text("")

    found = library(source, tmp_path / "file")

    assert found.functions is None and "file" in found.notice


def test_no_compiler_is_a_reason_not_an_error(source, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)

    assert library(source, tmp_path) == (None, "there is no C++ compiler (c++, g++, clang++) on the PATH")


def test_only_contiguous_tensors_are_passed_on():
    with pytest.raises(ValueError, match="contiguous"):
        addresses(torch.zeros(2, 3).T)

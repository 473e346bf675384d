"""Opening inputs whatever their packing."""

from __future__ import annotations

import gzip
import io
import random
import sys
from pathlib import Path

import pytest

from biolect.errors import InputError
from biolect.files.reading import BLOCK_BYTES, open_input

TEXT = b"".join(b">r%d\nACGT\n" % i for i in range(40_000))
NOISE = random.Random(5).randbytes(3 * BLOCK_BYTES).hex().encode()


@pytest.mark.parametrize("data", [b"", b"A", TEXT, NOISE], ids=["empty", "one byte", "text", "noise"])
@pytest.mark.parametrize("members", [0, 1, 3])
def test_plain_and_gzip_give_the_same_bytes(tmp_path: Path, data: bytes, members: int) -> None:
    path = tmp_path / "input.without.an.ending"
    third = len(data) // 3
    parts = {0: [], 1: [data], 3: [data[:third], data[third : 2 * third], data[2 * third :]]}[members]
    path.write_bytes(b"".join(map(gzip.compress, parts)) if members else data)

    with open_input(path) as stream:
        assert stream.read() == data


def test_zeros_after_a_gzip_stream_are_padding(tmp_path: Path) -> None:
    path = tmp_path / "padded.gz"
    path.write_bytes(gzip.compress(TEXT) + bytes(1000))

    with open_input(path) as stream:
        assert stream.read() == TEXT


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_mark_at_the_start_is_skipped_once(tmp_path: Path, pack) -> None:
    path = tmp_path / "marked.fa"
    path.write_bytes(pack(b"\xef\xbb\xbf>a\nAC\n"))

    with open_input(path) as stream:
        assert stream.read() == b">a\nAC\n"


def test_a_look_ahead_consumes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(NOISE))

    with open_input(path) as stream:
        assert len(stream.peek(1)) == BLOCK_BYTES
        assert stream.read() == NOISE


def test_a_minus_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(b">a\nAC\n"))))

    with open_input("-") as stream:
        assert stream.read() == b">a\nAC\n"


CUT, HURT, TRAILED = (
    gzip.compress(NOISE, mtime=0)[:-100_000],
    bytearray(gzip.compress(NOISE, mtime=0)),
    gzip.compress(TEXT, mtime=0) + b"more",
)
HURT[50_000] ^= 0xFF


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (CUT, "'{}' ends before its gzip stream does. The file is cut short: fetch or copy it again."),
        (CUT[:5], "'{}' ends before its gzip stream does. The file is cut short: fetch or copy it again."),
        (TRAILED, "'{}' is a damaged gzip file (Error -3 while decompressing data: incorrect header check). Fetch or copy it again."),
        (b"BZh91AY", "'{}' is packed with bzip2, which is not read. Unpack it, or pack it with gzip."),
        (b"PK\x03\x04", "'{}' is packed with zip, which is not read. Unpack it, or pack it with gzip."),
        (b"\xff\xfeA\x00", "'{}' is UTF-16 text, which is not read. Save it as UTF-8."),
        (b"abc\x00", "'{}' is a binary file (a zero byte at offset 3); text is expected. Is it the right file?"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "input"
    path.write_bytes(data)

    with pytest.raises(InputError) as caught, open_input(path) as stream:
        stream.read()

    assert str(caught.value) == message.format(path)


def test_a_damaged_gzip_stream_is_never_taken_for_whole(tmp_path: Path) -> None:
    path = tmp_path / "input.gz"
    path.write_bytes(HURT)

    with pytest.raises(InputError, match=r"is a damaged gzip file \(.*\)\. Fetch or copy it again\.$"), open_input(path) as stream:
        stream.read()


def test_a_missing_file_a_folder_and_a_device_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^There is no file '.*gone\.fa'\. Check the path, which is relative to /"):
        open_input(tmp_path / "gone.fa")
    with pytest.raises(InputError, match=r"is a folder; a file is expected\. Name the files in it, for example .*/\*\.$"):
        open_input(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be opened: Not a directory\.$"):
        open_input(tmp_path / "file" / "inside")

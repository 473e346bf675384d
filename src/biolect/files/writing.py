"""Writing: beside the final name first, renamed when whole."""

import errno
import gzip
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from biolect.errors import BiolectError, ConfigError, InputError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")
_DENIED = (errno.EACCES, errno.EPERM)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a free path beside `path` to write a file or a folder at; rename it to `path` when the block ends.

    An existing file or folder is replaced only then. If the block fails, what it wrote is removed.

    Raises:
        InputError: If the disk is full, the place cannot be written, or what is there is a folder and a
            file is written, or the other way round.
    """
    path = Path(path)
    path = path if path.name not in ("", "..") else path.resolve()
    if not path.name:
        raise InputError(f"'{path}' is the root of the file system. Write elsewhere with --output.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        yield temporary
        if temporary.exists():
            _publish(temporary, path)
    except OSError as error:
        _remove(temporary)
        raise (_write_error(error, path, temporary) or error) from None
    except BaseException as error:
        _remove(temporary)
        # Libraries written in Rust name the error of the system in their own exceptions.
        if isinstance(error, Exception) and (number := _SYSTEM_ERROR.search(str(error))):
            raise _write_error(OSError(int(number[1]), str(error)), path, temporary) or error from None
        raise


def write_pieces(path: str | Path, pieces: Iterable[bytes]) -> None:
    """Write bytes one after another, packed if the path ends in `.gz`; `-` is standard output."""
    if str(path) == "-":
        sys.stdout.buffer.writelines(pieces)
        return
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        if not str(path).lower().endswith(".gz"):
            stream.writelines(pieces)
            return
        # Neither name nor time, so that the same pieces are the same bytes.
        with gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed:
            packed.writelines(pieces)


def write_json(path: str | Path, value: object) -> Any:
    """Write plain data and return it as written: numbers that are not finite have no place in JSON and become null."""
    plain = json.loads(json.dumps(value, default=float), parse_constant=lambda name: None)
    write_pieces(path, [json.dumps(plain, indent=1).encode()])
    return plain


def check_outside(inputs: Iterable[Path | str], output: Path) -> None:
    """Raise ConfigError where an input lies in a folder that is to be replaced."""
    for path in inputs:
        if Path(path).resolve().is_relative_to(output.resolve()):
            raise ConfigError(f"'{path}' lies in '{output}', which would be replaced. Choose another --output.")


def _write_error(error: OSError, path: Path, temporary: Path) -> InputError | None:
    """Say in one sentence why writing failed; None for errors that are not about the output."""
    if isinstance(error, BiolectError):
        return None
    if error.errno in _FULL:
        return InputError(f"The disk is full: '{path}' was not written. Free some space, or write elsewhere.")
    if error.errno == errno.EROFS:
        return InputError(f"'{path}' cannot be written: the file system is read-only. Write elsewhere with --output.")
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and not path.parent.is_dir():
        return InputError(f"'{path}' cannot be written: a part of its path is a file, not a folder. Write elsewhere with --output.")
    blamed = Path(error.filename) if isinstance(error.filename, str) else None
    if error.errno in _DENIED and (blamed is None or path.parent in (blamed, *blamed.parents) or blamed in path.parents):
        return InputError(f"'{path}' cannot be written: permission denied in '{path.parent}'. Write elsewhere with --output.")
    if blamed is not None and temporary in (blamed, *blamed.parents):
        return InputError(f"'{path}' cannot be written: {error.strerror}. Write elsewhere with --output.")
    return None


def _publish(temporary: Path, path: Path) -> None:
    if path.exists() and path.is_dir() != temporary.is_dir():
        there, wanted = ("folder", "file") if path.is_dir() else ("file", "folder")
        raise InputError(f"'{path}' is a {there}, and a {wanted} is to be written. Choose another --output.")
    files = [p for p in temporary.rglob("*") if p.is_file()] if temporary.is_dir() else [temporary]
    for file in files:
        with open(file, "rb") as stream:
            os.fsync(stream.fileno())
    if path.is_dir():
        # A folder cannot be renamed onto a full one, so the old one steps aside for a moment.
        old = path.with_name(f".{path.name}.{os.getpid()}.old")
        path.rename(old)
        temporary.rename(path)
        shutil.rmtree(old)
    else:
        os.replace(temporary, path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def sha256(path: str | Path) -> str:
    """Return the digest of a file's bytes as hex; of a folder, over names and digests of its files in order."""
    path = Path(path)
    if path.is_dir():
        lines = [f"{p.relative_to(path).as_posix()} {sha256(p)}" for p in sorted(path.rglob("*")) if p.is_file()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return file_digest(path, "sha256")


def file_digest(path: Path, kind: str) -> str:
    """Return a digest of a file's bytes as hex, by the name of its algorithm."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()

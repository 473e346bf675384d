"""Downloads that survive broken transfers and never leave a damaged file under its final name."""

import http.client
import os
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from biolect.errors import DownloadError
from biolect.files.reading import BLOCK_BYTES
from biolect.files.writing import atomic_path, file_digest, sha256

_BUSY = (429, 500, 502, 503, 504)
_BROKEN = (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
_LONGEST_PAUSE_SECONDS = 60.0


@dataclass
class _Transfer:
    """One file on its way. `part` holds its first bytes; `tag` says of which version of the file they are."""

    url: str
    part: Path
    tag: Path
    timeout_seconds: float
    show: Callable[[int, int | None], None]

    def attempt(self) -> bool:
        """Fetch what is missing; return whether the file is whole. Raises HTTPError, URLError or a broken connection."""
        have = self.part.stat().st_size if self.part.exists() and self.tag.exists() else 0
        headers = {"User-Agent": f"biolect/{metadata.version('biolect')}"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": self.tag.read_text(encoding="latin-1")}
        with urllib.request.urlopen(urllib.request.Request(self.url, headers=headers), timeout=self.timeout_seconds) as response:
            continues = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            have = have if continues else 0
            length = response.headers.get("Content-Length")
            total = None if length is None else have + int(length)
            version = response.headers.get("ETag") or response.headers.get("Last-Modified")
            if version and not version.startswith("W/"):
                self.tag.write_text(version, encoding="latin-1")
            else:
                self.tag.unlink(missing_ok=True)
            with open(self.part, "ab" if continues else "wb") as file:
                while block := response.read(BLOCK_BYTES):
                    file.write(block)
                    have += len(block)
                    self.show(have, total)
                file.flush()
                os.fsync(file.fileno())
        return total is None or have == total


def download(
    url: str,
    path: str | Path,
    md5_expected: str | None = None,
    *,
    retries: int = 5,
    pause_seconds: float = 1.0,
    timeout_seconds: float = 60.0,
    shows_progress: bool = True,
) -> str:
    """Fetch a file to `path` and return its sha256; a file that is already there whole is kept.

    What has arrived stays in `path.part` when a transfer breaks, and the next attempt, also of a later
    call, asks only for the rest, provided that the server says it is still the same version.

    Args:
        url: Address, http or https.
        path: Where the file goes once it is whole.
        md5_expected: Digest that the file must have, hex.
        retries: Attempts after the first one that may fail in a row without a byte gained.
        pause_seconds: Before the first retry; doubled for each further one.
        timeout_seconds: Silence after which a connection counts as broken.
        shows_progress: Draw a bar where standard error is a terminal.

    Raises:
        DownloadError: If the server refuses, the transfer keeps breaking, or the digest is wrong.
        InputError: If the file cannot be written.
    """
    path = Path(path)
    if path.exists():
        return _verified(path, f"'{path}', which is already there,", md5_expected, "Delete it, and run the command again.")
    with atomic_path(path) as whole, _progress(path.name if shows_progress else None) as show:
        part = path.with_name(path.name + ".part")
        transfer = _Transfer(url, part, part.with_name(part.name + ".tag"), timeout_seconds, show)
        _persist(transfer, retries, pause_seconds)
        transfer.tag.unlink(missing_ok=True)
        try:
            digest = _verified(part, url, md5_expected, "The bytes were thrown away; run the command again.")
        except DownloadError:
            part.unlink()
            raise
        part.rename(whole)
    return digest


def _persist(transfer: _Transfer, retries: int, pause_seconds: float) -> None:
    failures, gained = 0, -1
    while True:
        asked = pause_seconds * 2**failures
        try:
            if transfer.attempt():
                return
            reason = "the connection closed before the end"
        except urllib.error.HTTPError as error:
            if error.code == 416:
                transfer.part.unlink(missing_ok=True)
            elif error.code not in _BUSY:
                hint = "Check the name or accession" if error.code in (404, 410) else "Check the address and your rights to it"
                raise DownloadError(f"{transfer.url} cannot be fetched: the server answers {error.code} {error.reason}. {hint}.") from None
            reason = f"the server answers {error.code} {error.reason}"
            wait = error.headers.get("Retry-After", "")
            asked = max(asked, float(wait)) if wait.isdigit() else asked
        except (urllib.error.URLError, *_BROKEN) as error:
            if isinstance(getattr(error, "reason", None), socket.gaierror):
                raise DownloadError(f"{transfer.url} cannot be fetched: its host is not found. Is this machine online?") from None
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        size = transfer.part.stat().st_size if transfer.part.exists() else 0
        failures, gained = (1, size) if size > gained and size else (failures + 1, gained)
        if failures > retries:
            raise DownloadError(
                f"{transfer.url} could not be fetched in {failures} attempts: {reason}. "
                f"{size} bytes are kept in '{transfer.part}'; run the command again to continue."
            )
        time.sleep(min(asked, _LONGEST_PAUSE_SECONDS))


def _verified(path: Path, what: str, expected: str | None, advice: str) -> str:
    if expected and (found := file_digest(path, "md5")) != expected.lower():
        raise DownloadError(f"{what} is damaged or another version: md5 is {found}, but {expected} was expected. {advice}")
    return sha256(path)


@contextmanager
def _progress(name: str | None) -> Iterator[Callable[[int, int | None], None]]:
    """Draw a bar on standard error, if somebody is there to see it."""
    if name is None or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)

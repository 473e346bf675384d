"""Fixtures that several rooms share."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

from tests.shapes import checked

# Shapes are checked at run time here and nowhere else: users pay nothing, and an annotation cannot lie.
install_import_hook(
    [f"biolect.{room}" for room in ("ops", "nn", "models", "objectives", "fusion", "values")], f"{checked.__module__}.{checked.__name__}"
)

# The tests of every change try the same examples each time; `make test-all` draws new ones.
# How long an example takes says what else the machine does, never whether the code is right.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("drawn", deadline=None)
settings.load_profile("same")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of real data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("BIOLECT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "genbank").is_dir():
        pytest.skip(f"no real data at {folder}; set BIOLECT_DATA")
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests reach servers on loopback only."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise AssertionError(f"A test wants to reach {host}. Tests must not need the network.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


class Outcome(NamedTuple):
    """What a command line left behind."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        return json.loads(self.out)


@pytest.fixture
def biolect_command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run one command line in this process, as `biolect WORDS...`."""
    from biolect.cli import main

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run

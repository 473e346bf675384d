"""Golden files: what must not change in silence. `make golden` writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-golden", action="store_true", help="write the golden files anew instead of comparing with them")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], str]:
    """Return what the golden file of a name holds; under --write-golden, write the given text first."""

    def read(name: str, text: str) -> str:
        path = FOLDER / name
        if request.config.getoption("--write-golden", default=False):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="ascii")
        if not path.is_file():
            pytest.fail(f"{path} is missing. Write it with `make golden`, and say why in the commit message.")
        return path.read_text(encoding="ascii")

    return read

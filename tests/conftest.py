"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of real data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("BIOLECT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "genbank").is_dir():
        pytest.skip(f"no real data at {folder}; set BIOLECT_DATA")
    return folder

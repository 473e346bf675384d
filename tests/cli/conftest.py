"""What all tests of verbs share: intervals of few draws say the same of a toy table, sooner."""

from __future__ import annotations

import pytest

from biolect.evaluate import comparison


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw intervals of fusion tables from 50 draws."""
    monkeypatch.setattr(comparison, "DRAWS", 50)

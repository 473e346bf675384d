"""What tests of verbs share: intervals of few draws and forests of few trees say the same of a toy table, sooner."""

from __future__ import annotations

import pytest

from biolect.evaluate import comparison, fusing


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw intervals of fusion tables from 50 draws."""
    monkeypatch.setattr(comparison, "DRAWS", 50)


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make forests of fusion tables of three trees."""
    made = fusing.Baselines
    monkeypatch.setattr(fusing, "Baselines", lambda *words, **named: made(*words, **named, trees=3))

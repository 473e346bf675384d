"""Demonstrations and their controls: what is shown, what is not, and the words of the verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from biolect.errors import ConfigError
from biolect.evaluate import in_context
from biolect.evaluate.in_context import CONDITIONS
from biolect.evaluate.judging import Outcome, Panel
from biolect.figures.curves import prompt_curves
from tests.evaluate.test_dogma import PAIRS, question

SHOWN = [*PAIRS, ("ATGTGGTGGTGG", "MWWW")]


def letters(condition: str, shown: list[tuple[str, str]] = SHOWN) -> list[str]:
    asked = question()
    prompt = in_context._prompt(asked, condition, shown, np.random.default_rng(0))
    return [asked.reader.model.vocabulary.decode(one.token_ids, one.modality) for one in prompt.members]


def test_what_is_shown():
    genes, proteins = [gene for gene, _ in SHOWN], [protein for _, protein in SHOWN]

    assert letters("matched") == [text for pair in SHOWN for text in pair]
    assert letters("mismatched")[::2] == genes and letters("mismatched")[1::2] == [*proteins[1:], proteins[0]]
    assert letters("proteins only") == proteins
    assert [len(text) for text in letters("random letters")] == [len(text) for text in letters("matched")]
    assert len(letters("filler")) == 1 and len(letters("filler")[0]) == sum(len(text) for pair in SHOWN for text in pair)
    assert letters("mismatched", SHOWN[:1])[1] != proteins[0]


def test_labelled_demonstrations_are_true_and_false_in_turn():
    items = in_context._labelled(SHOWN * 2, np.random.default_rng(0))

    assert [item.is_true for item in items] == [True, False] * 3
    assert {(item.gene != gene, item.protein != protein) for item, (gene, protein) in zip(items[1::2], (SHOWN * 2)[1::2], strict=True)} == {
        (True, False),
        (False, True),
    }


def test_every_condition_is_asked_at_every_number(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(in_context, "DRAWS", 2)
    asked = question(items=16)
    asked = replace(asked, reader=replace(asked.reader, context_tokens=400))
    outcome = in_context.in_context(asked)

    numbers = outcome.facts["demonstrations"]
    assert outcome.facts["codons"] == 7 and numbers[:3] == [0, 1, 2] and len(numbers) > 3
    assert [panel.part for panel in outcome.panels] == ["genetic code", "synthetic code"]
    for panel in outcome.panels:
        arms = panel.of("auroc")
        assert next(iter(arms)) == ("model", "matched") and len(arms) == 1 + len(CONDITIONS) * (len(numbers) - 1)
        assert {name for kind, name in arms if kind == "baseline"} == {*CONDITIONS[1:], "no demonstrations"}
        assert ("model", "matched") in panel.of("auroc, S4") and ("model", "matched") in panel.of("auroc, labels")
    assert outcome.facts["verdict"] in ("assay insensitive at this scale", "in-context learning") or "beyond" in outcome.facts["verdict"]
    assert outcome.figure is not None and len(outcome.figure.axes) == 2


@pytest.mark.parametrize(
    ("genes", "synthetic", "words"),
    [
        (0.9, 0.4, "assay insensitive at this scale"),
        (0.9, 0.9, "in-context learning"),
        (0.4, 0.9, "no in-context learning beyond what is known"),
    ],
)
def test_the_verdict_needs_the_positive_control(genes: float, synthetic: float, words: str):
    panels: list[Panel] = []
    for part, value in (("genetic code", genes), ("synthetic code", synthetic)):
        panel = Panel(part, "auroc", [0, 1, 2], draws=10)
        panel.add("matched", "model", lambda items, value=value: value)
        panel.add("filler", "baseline", lambda items: 0.5)
        panels.append(panel)

    assert in_context._verdicts(Outcome("auroc", panels))["verdict"] == words


def test_a_context_without_room_for_pairs_is_refused():
    asked = question()

    with pytest.raises(ConfigError, match="The model reads 100 tokens at once, too few for several pairs"):
        in_context.in_context(replace(asked, reader=replace(asked.reader, context_tokens=100)))


def test_a_figure_has_a_panel_a_rule_and_a_curve_a_condition():
    points = [(0.5, (0.4, 0.6)), (0.7, (0.6, 0.8))]
    figure = prompt_curves([0, 4], {"code": {"matched": points, "filler": points}, "other": {"matched": points}})

    assert [panel.get_title() for panel in figure.axes] == ["code", "other"]
    assert [line.get_label() for line in figure.axes[0].lines][:2] == ["matched", "filler"]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["0", "4"]

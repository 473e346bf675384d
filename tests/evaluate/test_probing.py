"""Frozen embeddings: labels that letters give away are found, relatives stay together, and sets in every published form are read."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import polars
import pytest

from biolect.bio import chemistry
from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Grammar
from biolect.errors import InputError
from biolect.evaluate import probing
from biolect.evaluate.probing import Source
from biolect.evaluate.question import EvaluateConfig, Question
from biolect.infer.reader import Reader
from biolect.models.language_model import LanguageModel
from biolect.tokens.vocabulary import Vocabulary
from tests.infer.conftest import BACKBONES, build

RNG = np.random.default_rng(0)


def question(folder: Path, vocabulary: str = "joint-64") -> Question:
    model = build()
    if vocabulary != "joint-64":
        model = LanguageModel.Config(backbone=BACKBONES["transformer"], vocabulary=vocabulary).build(0).eval()
    return Question(
        Reader(model, Grammar(tags=vocabulary == "joint-64")), EvaluateConfig(tasks=("x",), data=str(folder), draws=10, items=12)
    )


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "Baselines", partial(probing.Baselines, trees=6))


def letters(rich: float, length: int = 80) -> str:
    return "".join(RNG.choice(list("ACGT"), length, p=[(1 - rich) / 2, rich / 2, rich / 2, (1 - rich) / 2]))


def test_classes_in_the_headers_of_fasta(tmp_path: Path):
    shares = {"rich": 0.8, "poor": 0.2, "rare": 0.5}
    rows = [(kind, letters(share)) for kind, share in shares.items() for _ in range(3 if kind == "rare" else 25)]
    (tmp_path / "x.fa").write_text("".join(f">{kind}\n{text}\n" for kind, text in rows))
    outcome = probing.probe(Source("rna/x.fa.gz", Modality.RNA), question(tmp_path))

    report = outcome.report()
    assert report["classes"] == ["poor", "rich"] and report["left_out"] == {"rare": 3}
    assert report["value"] > 0.9 and report["baselines"]["composition, forest"]["value"] > 0.9
    assert report["baselines"]["most frequent class"]["value"] <= 0.5
    assert {"untrained model", "letters by place, ridge"} <= set(report["baselines"])
    assert len(np.unique(outcome.panels[0].clusters)) > 40


def test_the_most_frequent_class_is_as_frequent_as_counted(tmp_path: Path):
    labels = ["a"] * 30 + ["b"] * 20
    (tmp_path / "x.fa").write_text("".join(f">r{i} {label} test\n{letters(0.5, 60 + i)}\n" for i, label in enumerate(labels)))

    assert probing.probe(Source("x.fa", Modality.RNA), question(tmp_path)).report()["baselines"]["most frequent class"]["value"] == 0.6


def test_variants_of_one_protein_are_kept_apart_by_the_place_that_changed(tmp_path: Path):
    wild = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEV"
    rows = [
        {"x": wild[:i] + new + wild[i + 1 :], "y": float(i + "DGP".index(new))} for i in range(2, 22) for new in "DGP" if wild[i] != new
    ]
    polars.DataFrame(rows).write_csv(tmp_path / "x.csv")
    outcome = probing.probe(Source("x.csv", Modality.PROTEIN, "y", "x", is_number=True), question(tmp_path))

    assert outcome.metric == "spearman" and len(np.unique(outcome.panels[0].clusters)) == 20


def test_shuffled_pieces_have_the_letters_of_their_promoter(tmp_path: Path):
    (tmp_path / "p.txt").write_text("".join(f"{letters(0.6, 100)}\n" for _ in range(15)))
    source = Source("p.txt.gz", Modality.DNA)
    pairs = list(probing._labelled(source, str(tmp_path / "p.txt"), question(tmp_path)))

    for (first, _, one), (second, _, other) in zip(pairs[::2], pairs[1::2], strict=True):
        assert one == other and sorted(first.residues) == sorted(second.residues) and first != second
    clusters = probing.probe(source, question(tmp_path)).panels[0].clusters
    assert len(np.unique(clusters)) == 15


@pytest.mark.skipif(not chemistry.is_there(), reason="needs the extra chem")
def test_molecules_of_one_scaffold_stay_together(tmp_path: Path):
    tails = ["C" * n for n in range(1, 9)]
    rows = [
        {"smiles": ring + tail, "value": float(len(tail))}
        for ring in ("c1ccccc1", "C1CCCC1", "c1ccncc1", "C1CC1", "c1ccoc1")
        for tail in tails
    ]
    polars.DataFrame([*rows, {"smiles": "no molecule", "value": 1.0}]).write_csv(tmp_path / "m.csv")
    asked = question(tmp_path, Vocabulary.named("smiles-176").name)
    outcome = probing.probe(Source("m.csv", Modality.MOLECULE, "value", "smiles", is_number=True), asked)

    assert len(np.unique(outcome.panels[0].clusters)) == 5 and {arm.name for arm in outcome.panels[0].arms} >= {
        "fingerprint, forest",
        "composition, ridge",
    }
    assert [one.id for one in asked.refused] == ["41"]


def test_labels_that_are_all_equal_and_too_few_records_are_refused(tmp_path: Path):
    (tmp_path / "same.fa").write_text("".join(f">r{i} a\n{letters(0.5)}\n" for i in range(20)))
    (tmp_path / "few.fa").write_text("".join(f">r{i} {'ab'[i % 2]}\n{letters(0.5)}\n" for i in range(6)))

    with pytest.raises(InputError, match="is 'a' everywhere: there is nothing to learn"):
        probing.probe(Source("same.fa", Modality.RNA), question(tmp_path))
    with pytest.raises(InputError, match="has 0 labelled records that can be used"):
        probing.probe(Source("few.fa", Modality.RNA), question(tmp_path))


def test_coding_sequences_are_known_by_their_codons_too():
    records = [Sequence("ATGGCTTAAGC", Modality.DNA), Sequence("AT", Modality.DNA)]

    assert probing.features(records, in_frame=True)["composition"].shape[1] == 1 + 84 + 64 + 20
    assert probing.features(records)["composition"].shape[1] == 1 + 84


def test_relatives_are_found_by_shared_words():
    one, other = letters(0.5, 200), letters(0.5, 210)
    groups = probing._groups([Sequence(text, Modality.DNA) for text in (one, one[5:], other)], ["", "", ""])

    assert groups[0] == groups[1] != groups[2]

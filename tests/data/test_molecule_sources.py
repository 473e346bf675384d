"""Sources of molecules: whole ones only, domains in an order of their own for every draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Document, Grammar, View
from biolect.data.shards import MemberStore, MemberWriter
from biolect.data.sources import FamilySource, SingleSource
from biolect.tokens.vocabulary import Vocabulary
from biolect.train import components
from tests.train.toy import toy_config

VOCABULARY = Vocabulary.named("smiles-176")
GRAMMAR = Grammar(tags=False, positions="ordinary")
DOMAINS = {
    "alcohols": [f"{'C' * n}O" for n in range(1, 13)],
    "amines": [f"{'C' * n}N" for n in range(1, 9)],
    "one": ["CCCCCCCCCCCCCCCCCCCC"],
}


@pytest.fixture
def store(tmp_path: Path) -> MemberStore:
    with MemberWriter(tmp_path / "domains", VOCABULARY) as writer:
        for split in ("train", "valid"):
            for name, texts in DOMAINS.items():
                writer.begin_group(name, split=split)
                for text in texts:
                    writer.add(VOCABULARY.encode(Sequence(text, Modality.MOLECULE)), Modality.MOLECULE, View.RECORD)
    return MemberStore.open(tmp_path / "domains")


def said(document: Document) -> list[str]:
    return [VOCABULARY.decode(member.token_ids, Modality.MOLECULE) for member in document.members]


def test_molecules_alone_are_whole_and_the_long_ones_are_counted(store: MemberStore) -> None:
    source = SingleSource(store, "train", Modality.MOLECULE, longest=10)

    found = [said(source.document(item, np.random.default_rng(0), 12, GRAMMAR)) for item in range(len(source))]

    assert [text for (text,) in found] == [text for texts in DOMAINS.values() for text in texts if len(text) <= 10]
    assert source.left_out == 4


def test_documents_of_domains_hold_whole_molecules_of_one_domain_in_random_order(store: MemberStore) -> None:
    source = FamilySource(store, "train", 13)
    room = 30

    drawn = [said(source.document(item, np.random.default_rng(seed), room, GRAMMAR)) for item in range(len(source)) for seed in range(40)]

    assert len({tuple(texts) for texts in drawn}) > 60
    for texts in drawn:
        assert any(set(texts) <= set(domain) for domain in DOMAINS.values()) and len(set(texts)) == len(texts)
        assert sum(map(len, texts)) + GRAMMAR.overhead(len(texts)) <= room
    assert {text for texts in drawn for text in texts} == {text for texts in DOMAINS.values() for text in texts if len(text) <= 13}


def test_a_pass_says_each_domain_about_as_often_as_it_fills_documents(store: MemberStore) -> None:
    source = FamilySource(store, "train", 13)

    # 90 tokens of alcohols and 44 of amines; the domain of one long molecule has none that fits.
    assert len(source) == 7 + 4


def test_mixtures_know_molecules_alone_and_in_their_domains(store: MemberStore) -> None:
    model = {"vocabulary": "smiles-176", "backbone": {"kind": "transformer", "layers": 1, "width": 16, "heads": 1, "inner": 32}}
    phases = [{"name": "p", "mixture": {"single": 1.0, "domains": 1.0}, "tokens": 999, "learning_rate": [1e-3, 0.0], "context_tokens": 16}]
    config = toy_config(
        model=model, phases=phases, single_shares={"molecule": 1.0}, grammar={"tags": False, "positions": "ordinary"}, context_tokens=16
    )

    found = components.pools(config, {"main": {"domains": store}}, "train")
    batch, _ = components.loader(config, 0, config.phases[0], found, VOCABULARY).batch(0)

    assert set(found) == {"main:single.molecule", "main:domains"}
    assert components.left_out(found) == {"main:single.molecule": 1}
    # Separators stand between molecules of one segment, and no loss is counted as a residue's there.
    assert (batch.token_ids == VOCABULARY.separator).any() and (batch.token_ids == VOCABULARY.begin).any()
    assert set(batch.modality_ids[batch.attended_mask].unique().tolist()) == {Modality.MOLECULE.index, len(Modality)}

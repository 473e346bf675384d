"""Pairs of views of one gene: in register, inside the room, and broken in nothing but the letters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from biolect.bio.coordinates import Run, compress
from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Document, Grammar, Member, View
from biolect.data.pairing import Pairing, PairSource
from biolect.data.shards import MemberStore, MemberWriter
from biolect.data.sources import truncated
from biolect.errors import ConfigError
from biolect.tokens.vocabulary import Vocabulary

JOINT = Vocabulary.joint()
CODE = GeneticCode.by_id(1)
GRAMMAR = Grammar()
SENSE = [a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT" if a + b + c not in ("TAA", "TAG", "TGA")]
WIDE = 4_096


def write_gene(writer: MemberWriter, rng: np.random.Generator, name: str, num_codons: int, cluster: int, *, is_mapped: bool = True) -> None:
    """One gene: leader of 11 and trailer of 7 nucleotides, an intron of 5 behind every 29th letter of its transcript."""
    coding = "ATG" + "".join(rng.choice(SENSE, size=num_codons - 1)) + "TAA"
    transcript = "".join(rng.choice(list("ACGT"), size=11)) + coding + "".join(rng.choice(list("ACGT"), size=7))
    places = np.arange(len(transcript)) - 10
    pieces = [(transcript[i : i + 29], places[i : i + 29]) for i in range(0, len(transcript), 29)]
    locus = "GTCAG".join(letters for letters, _ in pieces)
    coordinates = np.concatenate([np.append(at, np.full(5, at[-1])) for _, at in pieces])[: len(locus)]
    protein = CODE.translate(coding)[:-1]
    writer.begin_group(name, cluster=cluster)
    for letters, modality, view, runs in (
        (coding, Modality.DNA, View.CDS, (Run(1, 1, len(coding)),)),
        (locus, Modality.DNA, View.LOCUS, compress(coordinates)),
        (transcript.replace("T", "U"), Modality.RNA, View.TRANSCRIPT, (Run(-10, 1, len(transcript)),)),
        (protein, Modality.PROTEIN, View.PROTEIN, (Run(3, 3, len(protein)),)),
    ):
        writer.add(JOINT.encode(Sequence(letters, modality)), modality, view, runs if is_mapped else ())


@pytest.fixture(scope="module")
def genes(tmp_path_factory: pytest.TempPathFactory) -> MemberStore:
    """Forty genes of 30 to 420 codons in ten clusters."""
    folder = tmp_path_factory.mktemp("pairing") / "genes"
    rng = np.random.default_rng(0)
    with MemberWriter(folder, JOINT) as writer:
        for index in range(40):
            write_gene(writer, rng, f"gene{index}", 30 + 10 * index, index % 10)
    return MemberStore.open(folder)


def draw(source: PairSource, index: int, room: int = WIDE) -> Document:
    return source.document(index % len(source), np.random.default_rng((5, index)), room, GRAMMAR)


def letters(member: Member) -> str:
    return JOINT.decode(member.token_ids, member.modality).replace("U", "T" if member.modality is Modality.RNA else "U")


def coding_letters(member: Member, num_codons: int) -> str:
    """Letters of a nucleotide member that stand at 1 to 3n, spliced-out ones left out."""
    text, places = letters(member), member.coordinates.tolist()
    read = [i for i, at in enumerate(places) if 1 <= at <= 3 * num_codons and (i == 0 or places[i - 1] != at)]
    return "".join(text[i] for i in read)


def by_modality(document: Document) -> dict[Modality, Member]:
    return {member.modality: member for member in document.members}


@pytest.mark.parametrize("dna_views", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.4, 0.4, 0.2)])
def test_aligned_crops_translate_to_each_other(genes: MemberStore, dna_views: tuple[float, float, float]) -> None:
    source = PairSource(genes, "train", Pairing(truncated_share=0, three_share=0.5, dna_views=dna_views))

    compared = 0
    for index in range(200):
        crops = by_modality(draw(source, index))
        if Modality.PROTEIN in crops:
            protein = crops.pop(Modality.PROTEIN)
            assert protein.coordinates.tolist() == list(range(3, 3 * len(protein) + 1, 3))
            assert all(CODE.translate(coding_letters(other, len(protein))) == letters(protein) for other in crops.values())
            compared += len(crops)
        else:
            count = crops[Modality.DNA].coordinates.max() // 3
            assert coding_letters(crops[Modality.DNA], count) == coding_letters(crops[Modality.RNA], count)
    assert compared > 150


def test_loci_show_introns_but_never_end_in_one(genes: MemberStore) -> None:
    source = PairSource(genes, "train", Pairing(truncated_share=0, dna_views=(0, 1, 0), modalities=("dna", "protein")))

    loci = [by_modality(draw(source, index))[Modality.DNA] for index in range(60)]

    assert sum(len(set(m.coordinates.tolist())) < len(m) for m in loci) > 20
    assert all(m.coordinates[-1] == m.coordinates[-2] + 1 for m in loci)


def test_promoters_show_what_stands_before_the_crop(genes: MemberStore) -> None:
    source = PairSource(genes, "train", Pairing(truncated_share=0, dna_views=(0, 0, 1), modalities=("dna", "protein")))

    first = [int(by_modality(draw(source, index))[Modality.DNA].coordinates[0]) for index in range(60)]

    assert min(first) == -99 and max(first) <= -10


@pytest.mark.parametrize("order", ["gene_first", "protein_first", "random"])
def test_orders_say_where_the_protein_stands(genes: MemberStore, order: str) -> None:
    source = PairSource(genes, "train", Pairing.from_dict({"order": order, "three_share": 0.5}))

    places = []
    for index in range(120):
        modalities = [m.modality for m in draw(source, index).members]
        if Modality.PROTEIN in modalities:
            places.append(modalities.index(Modality.PROTEIN) / (len(modalities) - 1))

    assert set(places) == ({0.0, 0.5, 1.0} if order == "random" else {1.0} if order == "gene_first" else {0.0})


def test_three_members_are_three_modalities_of_one_crop(genes: MemberStore) -> None:
    source = PairSource(genes, "train", Pairing(truncated_share=0, three_share=1))

    assert all(len(by_modality(draw(source, index))) == 3 for index in range(50))


def test_every_combination_of_two_modalities_is_drawn(genes: MemberStore) -> None:
    source = PairSource(genes, "train", Pairing(three_share=0))

    assert len({frozenset(by_modality(draw(source, index))) for index in range(50)}) == 3


def test_only_the_modalities_asked_for_are_shown(genes: MemberStore) -> None:
    source = PairSource(genes, "train", Pairing(modalities=("rna", "protein"), truncated_share=0.5))

    assert {frozenset(by_modality(draw(source, index))) for index in range(50)} == {frozenset((Modality.RNA, Modality.PROTEIN))}


def test_crop_lengths_are_log_uniform_between_their_bounds(genes: MemberStore) -> None:
    source = PairSource(genes, "train", Pairing(truncated_share=0, crop_codons=(8, 128), modalities=("dna", "protein")))
    rng = np.random.default_rng(0)

    # The longest genes alone: shorter ones would cap the crops.
    lengths = np.array([len(by_modality(source.document(39, rng, WIDE, GRAMMAR))[Modality.PROTEIN]) for _ in range(3_000)])

    assert lengths.min() == 8 and lengths.max() == 128
    shares = [((lengths >= low) & (lengths < 2 * low)).mean() for low in (8, 16, 32, 64)]
    assert shares == pytest.approx([0.25] * 4, abs=0.04)


def test_equal_arguments_give_equal_documents(genes: MemberStore) -> None:
    source = PairSource(genes, "train", Pairing(partners="broken"))

    for index in range(30):
        one, other = draw(source, index), draw(source, index)
        assert [(m.view, m.runs, m.token_ids.tolist()) for m in one.members] == [
            (m.view, m.runs, m.token_ids.tolist()) for m in other.members
        ]


def test_broken_documents_differ_from_true_ones_in_the_letters_of_the_protein_alone(genes: MemberStore) -> None:
    settings = {"three_share": 0.4, "truncated_share": 0.3, "crop_codons": (5, 60)}
    matched = PairSource(genes, "train", Pairing.from_dict({**settings, "partners": "matched"}))
    broken = PairSource(genes, "train", Pairing.from_dict({**settings, "partners": "broken"}))

    changed = 0
    for index in range(300):
        rng, other_rng = (np.random.default_rng((5, index)) for _ in range(2))
        own = matched.document(index % 20, rng, 1_025, GRAMMAR)
        foreign = broken.document(index % 20, other_rng, 1_025, GRAMMAR)
        for one, other in zip(own.members, foreign.members, strict=True):
            assert (one.modality, one.view, one.runs) == (other.modality, other.view, other.runs)
            is_same = one.token_ids.tolist() == other.token_ids.tolist()
            assert is_same == (one.modality is not Modality.PROTEIN)
            changed += not is_same
        # What follows (coordinate dropout) sees the same generator in both arms.
        assert rng.random() == other_rng.random()
    assert changed > 100


def test_broken_partners_are_real_proteins_of_another_cluster(genes: MemberStore) -> None:
    source = PairSource(genes, "train", Pairing(partners="broken", truncated_share=0.3, modalities=("dna", "protein")))
    proteins = [letters(source.views_of(group)[View.PROTEIN]) for group in range(40)]

    seen = set()
    for index in range(200):
        item = index % len(source)
        protein = letters(by_modality(draw(source, index))[Modality.PROTEIN])
        owners = {i for i, whole in enumerate(proteins) if protein in whole}
        assert owners and all(genes.cluster_of(owner) != genes.cluster_of(item) for owner in owners)
        seen |= owners
    assert len(seen) > 30


def test_a_broken_protein_shows_its_first_residue_exactly_where_a_true_one_would(genes: MemberStore) -> None:
    shape = {"truncated_share": 0, "crop_codons": (25, 40), "modalities": ["dna", "protein"]}
    matched, broken = (PairSource(genes, "train", Pairing.from_dict({**shape, "partners": p})) for p in ("matched", "broken"))
    begins = [letters(matched.views_of(group)[View.PROTEIN])[:25] for group in range(40)]

    at_start = []
    for index in range(200):
        own, foreign = (letters(by_modality(draw(source, index % 4 + 40 * index))[Modality.PROTEIN]) for source in (matched, broken))
        at_start.append(own[:25] in begins)
        assert (foreign[:25] in begins) == at_start[-1]
    assert 10 < sum(at_start) < 190


def test_broken_pairs_are_refused_where_all_genes_are_one_cluster(tmp_path: Path) -> None:
    with MemberWriter(tmp_path / "genes", JOINT) as writer:
        for name in "ab":
            write_gene(writer, np.random.default_rng(0), name, 20, cluster=3)
    store = MemberStore.open(tmp_path / "genes")

    with pytest.raises(ConfigError, match="Broken pairs need genes of at least two clusters; split 'train' has 2 genes of one"):
        PairSource(store, "train", Pairing(partners="broken"))
    assert len(PairSource(store, "test", Pairing(partners="broken"))) == 0


def test_a_short_stranger_shortens_the_pair_where_there_is_no_other(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with MemberWriter(tmp_path / "genes", JOINT) as writer:
        write_gene(writer, rng, "long", 90, cluster=-1)
        write_gene(writer, rng, "short", 20, cluster=-1)
    source = PairSource(
        MemberStore.open(tmp_path / "genes"), "train", Pairing(partners="broken", modalities=("dna", "protein"), crop_codons=(60, 60))
    )
    short = letters(source.views_of(1)[View.PROTEIN])

    for index in range(0, 40, 2):
        protein = by_modality(draw(source, index))[Modality.PROTEIN]
        assert letters(protein) == short and protein.coordinates.tolist() == list(range(3, 61, 3))


@settings(max_examples=150)
@given(
    room=st.integers(17, 400),
    seed=st.integers(0, 2**20),
    tags=st.booleans(),
    pairing=st.builds(
        Pairing,
        partners=st.sampled_from(["matched", "broken"]),
        order=st.sampled_from(["random", "gene_first", "protein_first"]),
        crop_codons=st.tuples(st.integers(1, 60), st.integers(60, 400)),
        truncated_share=st.sampled_from([0.0, 0.5]),
        three_share=st.sampled_from([0.0, 1.0]),
        rna_context=st.integers(0, 80),
    ),
)
def test_every_document_fits_its_room(genes: MemberStore, room: int, seed: int, tags: bool, pairing: Pairing) -> None:
    grammar, source = Grammar(tags=tags), PairSource(genes, "train", pairing)

    for item in (0, 17, 39):
        document = source.document(item, np.random.default_rng(seed), room, grammar)
        rendered = grammar.render(document, JOINT, coordinates=True)
        assert len(rendered) <= room
        assert all(len(m) for m in document.members)
        assert len(document.members) >= (2 if pairing.truncated_share == 0 else 1)


def test_genes_without_two_of_the_modalities_are_not_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with MemberWriter(tmp_path / "genes", JOINT) as writer:
        write_gene(writer, rng, "whole", 20, 0)
        writer.begin_group("empty")
        writer.begin_group("no protein")
        writer.add(np.full(30, 10, np.uint8), Modality.DNA, View.CDS, (Run(1, 1, 30),))
        writer.begin_group("no transcript")
        writer.add(np.full(30, 10, np.uint8), Modality.DNA, View.CDS, (Run(1, 1, 30),))
        writer.add(np.full(9, 16, np.uint8), Modality.PROTEIN, View.PROTEIN, (Run(3, 3, 9),))
        writer.begin_group("empty, too")
    store = MemberStore.open(tmp_path / "genes")

    assert PairSource(store, "train", Pairing()).groups.tolist() == [0, 3]
    assert PairSource(store, "train", Pairing(modalities=("rna", "protein"))).groups.tolist() == [0]


def test_genes_without_coordinates_are_shown_whole(tmp_path: Path) -> None:
    with MemberWriter(tmp_path / "genes", JOINT) as writer:
        write_gene(writer, np.random.default_rng(0), "bare", 20, 0, is_mapped=False)
    source = PairSource(MemberStore.open(tmp_path / "genes"), "train", Pairing(truncated_share=0, modalities=("dna", "protein")))

    assert len(by_modality(draw(source, 0))[Modality.PROTEIN]) == 20


def test_truncation_cuts_on_the_right_and_drops_what_has_no_room() -> None:
    members = [Member(np.full(n, 10, np.uint8), Modality.DNA, (Run(1, 1, n),)) for n in (4, 0, 5, 3)]

    def lengths(room: int) -> list[int]:
        return [len(m) for m in truncated(members, room, GRAMMAR).members]

    # bos, tag, 4 letters, eos are 7; every further member costs a separator and a tag.
    assert lengths(100) == [4, 5, 3]
    assert lengths(19) == [4, 5, 3]
    assert lengths(18) == [4, 5, 2]
    assert lengths(16) == [4, 5]
    assert lengths(10) == [4, 1]
    assert lengths(9) == [4]
    assert lengths(5) == [2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_codons": [300, 20]}, r"pairing.crop_codons = \(300, 20\) has its bounds the wrong way round. Write \(20, 300\)."),
        ({"crop_codons": [0, 20]}, "crop_codons.0 = 0"),
        ({"dna_views": [0, 0, 0]}, "leaves no view to draw"),
        ({"dna_views": [1, -1, 0]}, "dna_views.1 = -1"),
        ({"modalities": ["dna"]}, "makes no pairs"),
        ({"modalities": ["dna", "dna"]}, "makes no pairs"),
        ({"three_share": 1.5}, "three_share = 1.5"),
        ({"partner": "broken"}, "Unknown key 'partner'. Did you mean 'partners'?"),
    ],
)
def test_pairings_that_cannot_be_drawn_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Pairing.from_dict(settings)

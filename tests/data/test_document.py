"""Documents: what is written, where every token stands, and what a stretch of a gene is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from biolect.bio.coordinates import Run, compress
from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Document, Grammar, Member, View
from biolect.errors import ConfigError, CoordinateError
from biolect.tokens.vocabulary import SPECIAL_INDEX, Vocabulary

JOINT = Vocabulary.joint()
S = SPECIAL_INDEX


def member(letters: str, modality: str, runs: tuple[Run, ...] = (), view: View = View.RECORD) -> Member:
    return Member(JOINT.encode(Sequence(letters, Modality(modality))), Modality(modality), runs, view)


GENE = member("ATG", "dna", (Run(1, 1, 3),), View.CDS)
PROTEIN = member("M", "protein", (Run(3, 3, 1),), View.PROTEIN)


def words(token_ids: np.ndarray) -> str:
    return " ".join(JOINT.tokens[i] for i in token_ids)


def test_a_gene_and_its_protein_are_nine_tokens() -> None:
    rendered = Grammar().render(Document((GENE, PROTEIN)), JOINT, coordinates=True)

    assert words(rendered.token_ids) == "<bos> <dna> a t g <sep> <prot> M <eos>"
    assert rendered.positions.tolist() == [0, 0, 1, 2, 3, 0, 0, 3, 6]
    assert rendered.member_ids.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert rendered.modality_ids.tolist() == [S, S, 0, 0, 0, S, S, 2, S]


def test_without_coordinates_positions_count_tokens() -> None:
    rendered = Grammar().render(Document((GENE, PROTEIN)), JOINT, coordinates=False)

    assert words(rendered.token_ids) == "<bos> <dna> a t g <sep> <prot> M <eos>"
    assert rendered.positions.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_without_tags_only_letters_tell_the_modality() -> None:
    rendered = Grammar(tags=False).render(Document((PROTEIN, GENE)), JOINT, coordinates=True)

    assert words(rendered.token_ids) == "<bos> M <sep> a t g <eos>"
    assert rendered.positions.tolist() == [0, 3, 0, 1, 2, 3, 4]
    assert rendered.member_ids.tolist() == [0, 0, 1, 1, 1, 1, 1]
    assert rendered.modality_ids.tolist() == [S, 2, S, 0, 0, 0, S]


def test_rna_is_tagged_and_spelled_with_the_nucleotides_of_dna() -> None:
    rendered = Grammar().render(Document((member("AUG", "rna"),)), JOINT, coordinates=False)

    assert words(rendered.token_ids) == "<bos> <rna> a t g <eos>"
    assert rendered.modality_ids.tolist() == [S, S, 1, 1, 1, S]


def test_untranslated_letters_stand_below_one_and_introns_on_the_letter_before() -> None:
    # Two leader letters, two coding letters, an intron of three, one coding letter.
    locus = member("CCATGTAG", "dna", compress(np.array([-1, 0, 1, 2, 2, 2, 2, 3])), View.LOCUS)

    rendered = Grammar().render(Document((locus,)), JOINT, coordinates=True)

    assert rendered.positions.tolist() == [-2, -2, -1, 0, 1, 2, 2, 2, 2, 3, 4]


def test_an_empty_member_is_written_as_its_special_tokens() -> None:
    rendered = Grammar().render(Document((member("", "dna"), PROTEIN)), JOINT, coordinates=False)

    assert words(rendered.token_ids) == "<bos> <dna> <sep> <prot> M <eos>"


def test_coordinates_are_refused_where_a_member_has_none() -> None:
    with pytest.raises(CoordinateError, match=r"Member 1 \(0-based\) of the document has no gene coordinates"):
        Grammar().render(Document((GENE, member("M", "protein"))), JOINT, coordinates=True)


@given(tags=st.booleans(), sizes=st.lists(st.integers(1, 7), min_size=1, max_size=5), coordinates=st.booleans())
def test_a_document_has_its_residues_and_the_grammar_s_overhead(tags: bool, sizes: list[int], coordinates: bool) -> None:
    document = Document(tuple(member("A" * n, "protein", (Run(3, 3, n),)) for n in sizes))
    grammar = Grammar(tags=tags)

    rendered = grammar.render(document, JOINT, coordinates=coordinates)

    lengths = [rendered.token_ids, rendered.positions, rendered.member_ids, rendered.modality_ids]
    assert [len(x) for x in lengths] == [sum(sizes) + grammar.overhead(len(sizes))] * 4
    assert [x.dtype for x in lengths] == [np.uint8, np.int32, np.int32, np.uint8]
    assert (rendered.token_ids == JOINT.separator).sum() == len(sizes) - 1


def test_coordinates_are_dropped_in_the_given_share_of_documents() -> None:
    document = Document((GENE, PROTEIN))
    rng = np.random.default_rng(0)

    used = [Grammar(coordinate_dropout=0.25).uses_coordinates(document, rng) for _ in range(2_000)]

    assert 0.72 < np.mean(used) < 0.78
    assert all(Grammar(coordinate_dropout=0).uses_coordinates(document, rng) for _ in range(50))
    assert not any(Grammar(coordinate_dropout=1).uses_coordinates(document, rng) for _ in range(50))


def test_documents_without_a_map_never_use_coordinates_and_draw_nothing() -> None:
    rng = np.random.default_rng(0)

    assert not Grammar(coordinate_dropout=0).uses_coordinates(Document((GENE, member("M", "protein"))), rng)
    assert not Grammar(positions="ordinary").uses_coordinates(Document((GENE, PROTEIN)), rng)
    assert rng.random() == np.random.default_rng(0).random()


def test_a_share_outside_zero_and_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"coordinate_dropout = 1.5"):
        Grammar.from_dict({"coordinate_dropout": 1.5})


def test_slices_keep_their_coordinates() -> None:
    protein = member("MKTAY", "protein", (Run(3, 3, 5),))

    assert protein.slice(1, 3).runs == (Run(6, 3, 2),)
    assert JOINT.decode(protein.slice(1, 3).token_ids, Modality.PROTEIN) == "KT"
    assert member("MKT", "protein").slice(1, 2).runs == ()


# Leader CC, exon ATG, intron gtaag, exon AAA, intron GT, exon TGA, trailer C.
LOCUS = member("CCATGGTAAGAAAGTTGAC", "dna", compress(np.array([-1, 0, 1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 6, 6, 6, 7, 8, 9, 10])), View.LOCUS)


@pytest.mark.parametrize(
    ("low", "high", "letters", "coordinates"),
    [
        (0, 3, "ATG", [1, 2, 3]),  # the intron behind codon 1 is not part of it
        (0, 6, "ATGGTAAGAAA", [1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 6]),
        (3, 6, "AAA", [1, 2, 3]),
        (2, 7, "GGTAAGAAAGTT", [1, 1, 1, 1, 1, 1, 2, 3, 4, 4, 4, 5]),
        (-2, 2, "CCAT", [-1 + 2, 2, 3, 4]),
        (6, 99, "TGAC", [1, 2, 3, 4]),
        (-99, 1, "CCA", [98, 99, 100]),
        (20, 30, "", []),
    ],
)
def test_a_stretch_of_a_locus_holds_the_introns_inside_it(low: int, high: int, letters: str, coordinates: list[int]) -> None:
    stretch = LOCUS.between(low, high, origin=low)

    assert JOINT.decode(stretch.token_ids, Modality.DNA) == letters
    assert stretch.coordinates.tolist() == coordinates


def test_stretches_of_gene_and_protein_agree_on_coordinates() -> None:
    cds = member("ATGAAATGA", "dna", (Run(1, 1, 9),), View.CDS)
    protein = member("MK", "protein", (Run(3, 3, 2),), View.PROTEIN)

    assert JOINT.decode(cds.between(3, 6).token_ids, Modality.DNA) == "AAA"
    assert JOINT.decode(protein.between(3, 6).token_ids, Modality.PROTEIN) == "K"
    assert protein.between(3, 6, origin=3).coordinates.tolist() == [3]


@given(st.data())
def test_any_stretch_is_what_its_coordinates_say(data: st.DataObject) -> None:
    steps = data.draw(st.lists(st.sampled_from([0, 1]), min_size=1, max_size=40))
    coordinates = data.draw(st.integers(-9, 3)) + np.cumsum(steps)
    whole = Member(np.arange(len(steps), dtype=np.uint8), Modality.DNA, compress(coordinates))
    low = data.draw(st.integers(-12, 30))
    high = data.draw(st.integers(low, 40))

    part = whole.between(low, high)

    inside = set(range(low + 1, high + 1)) & set(coordinates.tolist())
    assert set(part.coordinates.tolist()) == inside
    assert len(part) == len(part.coordinates)
    assert (part.coordinates == coordinates[part.token_ids]).all() and (np.diff(part.token_ids) == 1).all()
    assert part.coordinates.tolist().count(max(inside, default=0)) == bool(inside)


def test_positions_inside_members_begin_anew_and_stop_at_the_last() -> None:
    prot = Vocabulary.named("prot-38")
    texts = "MKAY", "MV"
    tagged = Grammar(positions="member").render(Document(tuple(member(t, "protein") for t in texts)), JOINT, coordinates=False)
    letters = tuple(Member(prot.encode(Sequence(t, Modality.PROTEIN)), Modality.PROTEIN) for t in texts)
    plain = Grammar(tags=False, positions="member", last_position=3).render(Document(letters), prot, coordinates=False)

    assert tagged.positions.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 0]
    assert plain.positions.tolist() == [0, 1, 2, 3, 3, 0, 1, 2, 0]

import numpy as np
import pytest
import torch

from biolect.bio.coordinates import Run
from biolect.bio.io import Refusal
from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Document, Grammar, Member
from biolect.errors import ConfigError
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader, counted
from biolect.infer.score import Query, Score, bits_by_modality, label_log_odds, score
from tests.infer.conftest import build, dna, protein

PER_RESIDUE = 1e-5


def by_definition(reader: Reader, *members: Member, coordinates: bool = False) -> tuple[float, list[float]]:
    """Log-likelihood of all residues of a document, and of each member's, token by token in float64."""
    rendered = reader.grammar.render(Document(members), reader.model.vocabulary, coordinates=coordinates)
    ids = torch.from_numpy(rendered.token_ids.astype(np.int64))
    with torch.no_grad():
        logits = reader.model(ids[None], torch.from_numpy(rendered.positions.astype(np.int64))[None])[0]
    found = logits.double().log_softmax(-1)[torch.arange(len(ids) - 1), ids[1:]]
    kept = rendered.modality_ids[1:] != 4
    parts = [float(found[torch.from_numpy(kept & (rendered.member_ids[1:] == i))].sum()) for i in range(len(members))]
    return float(found[torch.from_numpy(kept)].sum()), parts


def ask(reader: Reader, *queries: Query, prompt: Prompt | None = None) -> list[Score]:
    found = list(score(reader, queries, prompt))
    assert all(isinstance(one, Score) for one in found)
    return [one for one in found if isinstance(one, Score)]


def test_the_score_is_the_sum_over_residues_only(reader: Reader):
    member = reader.member(protein(23, 1))

    [found] = ask(reader, Query("a", member))

    assert found.num_residues == 23
    assert found.log_likelihood == pytest.approx(by_definition(reader, member)[0], abs=23 * PER_RESIDUE)
    assert found.log_likelihood == found.log_likelihood_coordinate_free
    assert found.pmi is None
    columns = "id modality num_residues log_likelihood log_likelihood_coordinate_free mean_log_likelihood"
    assert list(found.row()) == columns.split()
    assert found.mean_log_likelihood == found.log_likelihood / 23


def test_scores_do_not_depend_on_what_is_read_beside_them(reader: Reader):
    lengths = [3, 61, 17, 1, 44, 100, 29, 17]
    queries = [Query(str(i), reader.member(protein(n, i) if i % 2 else dna(n, i))) for i, n in enumerate(lengths)]

    together = ask(reader, *queries)
    apart = [ask(reader, query)[0] for query in queries]
    one_row = ask(Reader(reader.model, reader.grammar, batch_tokens=1), *queries)

    assert [found.name for found in together] == [query.name for query in queries]
    for one, two, three in zip(together, apart, one_row, strict=True):
        assert one.log_likelihood == pytest.approx(two.log_likelihood, abs=PER_RESIDUE * one.num_residues)
        assert one.log_likelihood == pytest.approx(three.log_likelihood, abs=PER_RESIDUE * one.num_residues)


def test_the_joint_is_the_first_alone_plus_the_second_given_the_first(reader: Reader):
    gene, product = reader.member(dna(33, 1)), reader.member(protein(11, 2))

    [found] = ask(reader, Query("g", product, gene))
    [alone] = ask(reader, Query("g", gene))

    joint = by_definition(reader, gene, product)[0]
    assert alone.log_likelihood + found.log_likelihood == pytest.approx(joint, abs=44 * PER_RESIDUE)
    assert found.log_likelihood_alone == pytest.approx(by_definition(reader, product)[0], abs=11 * PER_RESIDUE)
    assert found.pmi == found.log_likelihood - (found.log_likelihood_alone or 0)
    assert found.pmi == found.pmi_coordinate_free


def test_annotated_pairs_follow_coordinates_and_are_reported_without_them_too(reader: Reader):
    gene, product = counted(reader.member(dna(33, 1))), counted(reader.member(protein(11, 2)))

    [found] = ask(reader, Query("g", product, gene))

    with_map = by_definition(reader, gene, product, coordinates=True)[1][1]
    without = by_definition(reader, gene, product)[1][1]
    assert found.log_likelihood == pytest.approx(with_map, abs=11 * PER_RESIDUE)
    assert found.log_likelihood_coordinate_free == pytest.approx(without, abs=11 * PER_RESIDUE)
    assert abs(with_map - without) > 0.1
    alone = by_definition(reader, product, coordinates=True)[0]
    assert found.log_likelihood_alone == pytest.approx(alone, abs=11 * PER_RESIDUE)


def test_one_side_without_annotation_keeps_both_on_ordinary_positions(reader: Reader):
    gene, product = reader.member(dna(33, 1)), counted(reader.member(protein(11, 2)))

    [found] = ask(reader, Query("g", product, gene))

    assert found.log_likelihood == found.log_likelihood_coordinate_free
    assert found.log_likelihood_alone == found.log_likelihood_alone_coordinate_free


def test_a_model_of_ordinary_positions_never_follows_coordinates():
    reader = Reader(build(), Grammar(positions="ordinary"))
    gene, product = counted(reader.member(dna(33, 1))), counted(reader.member(protein(11, 2)))

    [found] = ask(reader, Query("g", product, gene))

    assert found.log_likelihood == found.log_likelihood_coordinate_free


def test_coordinates_count_a_members_own_letters_whatever_its_partner():
    assert counted(Member(np.zeros(4, np.uint8), Modality.DNA)).runs == (Run(1, 1, 4),)
    assert counted(Member(np.zeros(4, np.uint8), Modality.PROTEIN)).runs == (Run(3, 3, 4),)


def test_a_shared_prompt_is_read_once_and_changes_nothing(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    shown = [reader.member(protein(19, 7)), reader.member(protein(31, 8))]
    queries = [Query(str(n), reader.member(protein(n, n)), reader.member(dna(9, n)) if n % 2 else None) for n in (5, 12, 40, 3)]
    calls = []
    new_state = type(reader.model.backbone).new_state
    monkeypatch.setattr(type(reader.model.backbone), "new_state", lambda self: calls.append(1) or new_state(self))

    found = ask(reader, *queries, prompt=Prompt.of(shown, reader.grammar))

    assert len(calls) == 1
    for query, one in zip(queries, found, strict=True):
        members = [*shown, *([query.given] if query.given else []), query.member]
        assert one.log_likelihood == pytest.approx(by_definition(reader, *members)[1][-1], abs=len(query.member) * PER_RESIDUE)


def test_a_record_or_prompt_longer_than_a_batch_is_read_in_pieces(reader: Reader):
    shown, member = reader.member(dna(500, 5)), reader.member(dna(700, 6))
    short, whole = (Reader(reader.model, reader.grammar, batch_tokens=size) for size in (64, 2_000))

    for prompt in (None, Prompt.of([shown], reader.grammar)):
        [found], [expected] = (ask(each, Query("long", member), prompt=prompt) for each in (short, whole))

        assert found.log_likelihood == pytest.approx(expected.log_likelihood, abs=700 * PER_RESIDUE)


def test_a_long_record_is_read_in_windows_and_every_residue_once():
    member = Reader(build()).member(dna(50, 3))
    reader = Reader(build(), context_tokens=23)

    [found] = ask(reader, Query("long", member))

    room = 23 - 3
    expected = by_definition(reader, member.slice(0, room))[0]
    for start in range(10, 50 - 10, 10):
        window = member.slice(start, min(start + room, 50))
        fresh = len(window) - 10
        expected += by_definition(reader, window)[0] - by_definition(reader, window.slice(0, len(window) - fresh))[0]
    assert found.num_residues == 50
    assert found.log_likelihood == pytest.approx(expected, abs=50 * PER_RESIDUE)


def test_what_does_not_fit_behind_its_partner_is_refused_in_its_place():
    reader = Reader(build(), context_tokens=40)
    short, long = reader.member(protein(5, 1)), reader.member(protein(31, 2))
    queries = [
        Query("a", short, short),
        Query("b", long, short, "genes.gb"),
        Query("c", short),
        Refusal("d", "file:3", "Bad."),
        Query("e", short.slice(0, 0)),
    ]

    found = list(score(reader, queries))

    assert [one.id if isinstance(one, Refusal) else one.name for one in found] == ["a", "b", "c", "d", "e"]
    assert [isinstance(one, Refusal) for one in found] == [False, True, False, True, True]
    assert found[1] == Refusal(
        "b", "genes.gb", "The record needs 41 tokens with its partner; the model has room for 40. Shorten it, or give less before it."
    )


def test_a_prompt_that_fills_the_context_is_refused():
    reader = Reader(build(), context_tokens=40)
    prompt = Prompt.of([reader.member(protein(36, 1))], reader.grammar)

    with pytest.raises(ConfigError, match="The prompt has 38 tokens and the model reads 40: no room is left"):
        list(score(reader, [Query("a", reader.member(protein(5, 1)))], prompt))


def test_label_odds_are_read_behind_the_pair(reader: Reader):
    gene, product = reader.member(dna(9, 1)), reader.member(protein(3, 2))
    prompt = Prompt.demonstrations([(gene, product)], reader.grammar, labels=[True])
    words = reader.model.vocabulary

    [odds, alone] = [*label_log_odds(reader, [Query("q", product, gene)], prompt), *label_log_odds(reader, [Query("q", product)], Prompt())]

    rendered = reader.write(prompt, gene, product)
    with torch.no_grad():
        ids, positions = (torch.from_numpy(x.astype(np.int64))[None, :-1] for x in (rendered.token_ids, rendered.positions))
        last = reader.model(ids, positions)[0, -1]
    assert odds == pytest.approx(float(last[words.id_of("<pos>")] - last[words.id_of("<neg>")]), abs=1e-4)
    assert np.isfinite(alone)


def test_bits_are_per_residue_and_modality(reader: Reader):
    queries = [Query("a", reader.member(protein(5, 1))), Query("b", reader.member(protein(15, 2))), Query("c", reader.member(dna(7, 3)))]
    found = ask(reader, *queries)

    bits = bits_by_modality(reader, found)["bits_per_residue"]

    assert list(bits) == ["protein", "dna"]
    assert bits["protein"] == pytest.approx(-(found[0].log_likelihood + found[1].log_likelihood) / np.log(2) / 20)


def test_rna_is_scored_as_rna(reader: Reader):
    as_dna, as_rna = Sequence("ACGT", Modality.DNA), Sequence("ACGU", Modality.RNA)

    one, two = ask(reader, Query("d", reader.member(as_dna)), Query("r", reader.member(as_rna)))

    assert one.log_likelihood != two.log_likelihood

"""Published families: their files, tokens, windows and packing."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from biolect.bio.sequence import Modality, Sequence
from biolect.embed.encoder import Choice
from biolect.embed.families import ESM2, NUCLEOTIDE_TRANSFORMER, RNA_FM, six_mers
from biolect.embed.published import FamilyEncoder
from biolect.errors import AlphabetError, CheckpointError, ConfigError
from biolect.models.published import PublishedModel
from biolect.models.weight_maps import from_published, to_published
from tests.embed.conftest import TOLERANCE, outside_esm
from tests.infer.conftest import dna, protein

BFLOAT16 = 0.1
"""Largest difference of vectors of random models in bfloat16, whose numbers are of size 1."""

ACCEPTED = Choice(accepts_licence=True)


def rna(length: int, seed: int, name: str = "") -> Sequence:
    return dna(length, seed, name).transcribe()


def test_an_esm2_folder_gives_the_vectors_of_transformers(tmp_path: Path):
    outside = outside_esm(tmp_path, token_dropout=True, layer_norm_eps=1e-5)
    encoder = ESM2.load(tmp_path)
    sequences = [protein(n, n, str(n)) for n in (30, 1, 7)]

    for sequence, made in zip(sequences, encoder.tokens(sequences), strict=True):
        ids = [0, *(ESM2.vocabulary.index(letter) for letter in sequence.residues), 2]
        with torch.no_grad():
            expected = outside(torch.tensor([ids])).last_hidden_state[0].numpy()

        np.testing.assert_allclose(made.vectors, expected, atol=TOLERANCE)
        assert made.spans.tolist() == [[0, 0], *([i, i + 1] for i in range(len(sequence))), [len(sequence), len(sequence)]]


def test_learned_positions_and_an_embedding_norm_give_the_vectors_of_transformers(tmp_path: Path):
    outside = outside_esm(tmp_path, position_embedding_type="absolute", emb_layer_norm_before=True)
    sequence = protein(30, 5)

    [made] = ESM2.load(tmp_path).tokens([sequence])

    with torch.no_grad():
        ids = [0, *(ESM2.vocabulary.index(letter) for letter in sequence.residues), 2]
        np.testing.assert_allclose(made.vectors, outside(torch.tensor([ids])).last_hidden_state[0].numpy(), atol=TOLERANCE)


@pytest.mark.parametrize("layer", [None, 1])
def test_a_nucleotide_transformer_folder_gives_the_vectors_of_its_gated_network(tmp_path: Path, layer: int | None):
    outside = outside_esm(tmp_path, gated=True, vocab_size=4_107, mask_token_id=2)
    words = NUCLEOTIDE_TRANSFORMER.vocabulary
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    sequence = Sequence("ACGTGTACNTGCACGGANCGACTAGTCTGA", Modality.DNA, "d")

    [made] = NUCLEOTIDE_TRANSFORMER.load(tmp_path, Choice(accepts_licence=True, layer=layer)).tokens([sequence])

    ids = [words.index(t) for t in "<cls> ACGTGT A C N TGCACG G A N CGACTA GTCTGA".split()]
    with torch.no_grad():
        expected = outside(torch.tensor([ids]), output_hidden_states=True)
    found = expected.last_hidden_state if layer is None else expected.hidden_states[layer]
    np.testing.assert_allclose(made.vectors, found[0].numpy(), atol=TOLERANCE * float(found.abs().max()))


def by_hand(residues: str) -> list[str]:
    """Six at a time up to the next N or the end, then one at a time."""
    out: list[str] = []
    for part in residues.replace("N", " N ").split():
        whole = len(part) // 6 * 6
        out += [part[i : i + 6] for i in range(0, whole, 6)] + list(part[whole:])
    return out


def test_six_mers_are_cut_from_the_left_and_start_anew_behind_n():
    rng = np.random.default_rng(0)

    assert six_mers("ATGGCCAAATAAGNA") == ["ATGGCC", "AAATAA", "G", "N", "A"]
    for length in range(1, 60):
        text = "".join(rng.choice(list("ACGTACGTACGTN"), length))
        assert six_mers(text) == by_hand(text)
        if "N" not in text:
            assert len(six_mers(text)) == length // 6 + length % 6


def test_vocabularies_have_their_published_sizes_and_places():
    assert len(ESM2.vocabulary) == 33 and ESM2.vocabulary[32] == "<mask>" and ESM2.vocabulary[4] == "L"
    assert len(RNA_FM.vocabulary) == 25 and RNA_FM.vocabulary[4:8] == tuple("ACGU")
    words = NUCLEOTIDE_TRANSFORMER.vocabulary
    assert len(words) == 4_107 and words[4] == "AAAAAA" and words[5] == "AAAAAT" and words[-7:] == (*"ATCGN", "<eos>", "<bos>")


@pytest.mark.parametrize(
    ("shape", "millions"),
    [
        *(
            (ESM2.shapes[size], n)
            for size, n in (("8M", 7.4), ("35M", 33.3), ("150M", 147.7), ("650M", 649.4), ("3B", 2_834.5), ("15B", 15_104))
        ),
        (RNA_FM.shapes[""], 99.1),
        *((NUCLEOTIDE_TRANSFORMER.shapes[size], n) for size, n in (("50m", 52.5), ("100m", 94.5), ("250m", 229.8), ("500m", 490.9))),
    ],
)
def test_shapes_have_the_published_numbers_of_parameters(shape: PublishedModel.Config, millions: float):
    with torch.device("meta"):
        count = sum(weight.numel() for weight in PublishedModel(shape).parameters())

    assert count / 1e6 == pytest.approx(millions, rel=0.01)


@pytest.mark.parametrize(("name", "make"), [("esm2", protein), ("rna_fm", rna), ("nt", dna)])
def test_vectors_do_not_depend_on_the_batch(name: str, make: Callable[..., Sequence], small: Callable[..., FamilyEncoder]):
    sequences = [make(n, n, str(n)) for n in (5, 61, 30, 5, 90, 1)]

    together = small(name).tokens(sequences)
    for batch_tokens in (1, 70):
        apart = small(name, Choice(batch_tokens=batch_tokens)).tokens(sequences[::-1])[::-1]
        for one, two in zip(together, apart, strict=True):
            np.testing.assert_allclose(one.vectors, two.vectors, atol=TOLERANCE)
            assert one.name == two.name and (one.spans == two.spans).all()


def test_padded_rows_give_the_vectors_of_packed_ones(small: Callable[..., FamilyEncoder]):
    sequences = [protein(n, n) for n in (5, 61, 30, 1)]
    padded = small("esm2")
    padded.packs = False

    for one, two in zip(small("esm2").tokens(sequences), padded.tokens(sequences), strict=True):
        np.testing.assert_allclose(one.vectors, two.vectors, atol=TOLERANCE)
    assert small("esm2").count_tokens(sequences) == (105, 105)
    assert padded.count_tokens(sequences) == (63 + 32 + 2 * 7, 105)


def test_bfloat16_stays_near_float32_and_the_digest_tells_them_apart(small: Callable[..., FamilyEncoder]):
    sequences = [protein(n, n) for n in (5, 61, 30)]
    exact, rough = small("esm2"), small("esm2", Choice(dtype=torch.bfloat16))
    alone = small("esm2", Choice(dtype=torch.bfloat16, batch_tokens=1))

    for one, two, three in zip(exact.tokens(sequences), rough.tokens(sequences), alone.tokens(sequences), strict=True):
        assert two.vectors.dtype == np.float32 and np.abs(one.vectors).max() > 1
        np.testing.assert_allclose(one.vectors, two.vectors, atol=BFLOAT16)
        np.testing.assert_allclose(three.vectors, two.vectors, atol=BFLOAT16)
    assert exact.digest == small("esm2", Choice(batch_tokens=7)).digest != rough.digest


def test_long_rna_is_read_in_windows_of_whole_sixes_and_nothing_is_cut(small: Callable[..., FamilyEncoder]):
    encoder, sequence = small("rna_fm", Choice(axis="nucleotide")), rna(2_500, 1, "long")

    [made] = encoder.tokens([sequence])
    [placed] = encoder.encode([sequence])

    # Windows of 1,020 from 0, 510 and 1,020, and one that reaches the end; borders are halfway into each overlap, in sixes.
    starts, borders = [0, 510, 1_020, 1_482], [0, 762, 1_272, 1_758, 2_500]
    for start, first, last in zip(starts, borders, borders[1:], strict=False):
        piece = Sequence(sequence.residues[start : start + 1_020], Modality.RNA)
        expected = encoder.tokens([piece])[0].vectors[1:-1][first - start : last - start]
        np.testing.assert_allclose(made.vectors[1:-1][first:last], expected, atol=TOLERANCE)
    assert len(made.vectors) == 2_502 and len(placed.vectors) == 2_500


def test_windows_end_where_the_limit_is(small: Callable[..., FamilyEncoder]):
    encoder = small("esm2")

    assert encoder.count_tokens([protein(1_022, 1)])[1] == 1_024
    assert encoder.count_tokens([protein(1_023, 1)])[1] == 2 * 1_024


def test_dna_and_rna_letters_of_one_gene_agree(small: Callable[..., FamilyEncoder]):
    gene = dna(33, 1)

    for name in ("rna_fm", "nt"):
        one, two = small(name).encode([gene, gene.transcribe()])
        np.testing.assert_allclose(one.vectors, two.vectors, atol=TOLERANCE)


def test_a_codon_is_the_mean_over_what_covers_its_nucleotides(small: Callable[..., FamilyEncoder]):
    gene = Sequence("ATGGCCAAATAAGTC", Modality.DNA)
    vectors = small("nt").tokens([gene])[0].vectors

    [made] = small("nt", Choice(axis="codon")).encode([gene])

    expected = [vectors[1], vectors[1], vectors[2], vectors[2], vectors[3:6].mean(axis=0)]
    np.testing.assert_allclose(made.vectors, expected, atol=TOLERANCE)


@pytest.mark.parametrize("layout", ["fair-esm", "transformers"])
def test_weight_maps_are_read_in_both_directions(layout):
    shape = RNA_FM.shapes[""].model_copy(update={"layers": 2, "width": 16, "heads": 2, "inner": 24})
    own = shape.build(seed=0).state_dict()

    back = from_published(to_published(own, shape, layout), shape, layout)

    assert back.keys() == own.keys() and all(torch.equal(back[key], own[key]) for key in own)


def test_what_cannot_be_read_is_said_in_one_sentence(small: Callable[..., FamilyEncoder]):
    encoder = small("esm2")

    with pytest.raises(AlphabetError, match=r"reads protein, not dna\. Choose an encoder that reads dna"):
        encoder.tokens([dna(6, 1)])
    assert encoder.refusal(Sequence("MKT*", Modality.PROTEIN, "p")) == (
        "Symbol '*' at index 3 (0-based) of 'p' has no token in ESM-2. Remove the stop, or choose another encoder."
    )
    with pytest.raises(AlphabetError, match="Remove the stop"):
        encoder.tokens([Sequence("MKT*", Modality.PROTEIN, "p")])
    assert "has no nucleotide axis" in small("esm2", Choice(axis="nucleotide")).refusal(protein(3, 1))
    with pytest.raises(ConfigError, match="layer = 3 does not exist: the model has layers 1 to 2"):
        small("esm2", Choice(layer=3))
    with pytest.raises(CheckpointError, match="The weights have 33 tokens, RNA-FM has 25"):
        FamilyEncoder(encoder.model, RNA_FM)


def test_weights_of_another_shape_are_refused(tmp_path: Path):
    outside_esm(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for change, words in [
        ({"hidden_size": 24}, r"is of shape \(33, 16\), but width 24 and 24 inside need \(33, 24\)"),
        ({"num_hidden_layers": 3}, "no weights of an encoder of this pattern"),
        ({"num_attention_heads": 5}, "not divisible by twice heads = 5"),
        ({"hidden_size": None}, "does not describe an ESM model"),
    ]:
        (tmp_path / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(CheckpointError, match=words):
            ESM2.load(tmp_path)


class Trap:
    def __reduce__(self):
        return (Path("trapped").write_text, ("gotcha",))


def test_a_pickle_that_is_not_plain_weights_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": {"a": Trap()}}, "trap.pt")
    Path("bare.pt").write_bytes(pickle.dumps(Trap()))
    torch.save([1, 2], "list.pt")
    torch.save({"model": {"a": torch.zeros(2)}}, "other.pt")
    Path("cut.pt").write_bytes(Path("other.pt").read_bytes()[:200])

    for name, words in [
        ("trap", "is no file of plain weights"),
        ("bare", "is no file of plain weights"),
        ("cut", "is no file of plain weights, or is cut short"),
        ("list", "holds a list, not weights"),
        ("other", "lacks 'embed_tokens.weight'"),
        ("absent", "There is no file"),
    ]:
        with pytest.raises(CheckpointError, match=words):
            ESM2.load(Path(f"{name}.pt"))
    assert not Path("trapped").exists()


def test_weights_that_are_not_free_are_asked_for(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"CC BY-NC-SA 4\.0, which forbids commercial use\. Pass --accept-licence"):
        NUCLEOTIDE_TRANSFORMER.load(tmp_path)
    with pytest.raises(CheckpointError, match=r"it has no config\.json"):
        NUCLEOTIDE_TRANSFORMER.load(tmp_path, ACCEPTED)


def test_gradients_reach_the_weights_through_hidden(small: Callable[..., FamilyEncoder]):
    encoder = small("esm2")

    encoder.hidden([torch.tensor([0, 5, 6, 2])])[0].sum().backward()

    assert all(weight.grad is not None for name, weight in encoder.model.named_parameters())

import numpy as np
import pytest
import torch

from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Grammar
from biolect.embed.encoder import Choice
from biolect.embed.native import NativeEncoder
from biolect.errors import AlphabetError, ConfigError, FrameError
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM
from biolect.values import Axis
from tests.infer.conftest import build, dna, protein

TOLERANCE = 1e-4
MODEL = build()


def by_definition(sequence: Sequence) -> np.ndarray:
    """Hidden states of the residues, read alone; two special tokens stand before them."""
    words = MODEL.vocabulary
    ids = [words.begin, words.tag(sequence.modality), *words.encode(sequence).tolist()]
    with torch.no_grad():
        return MODEL.hidden(torch.tensor([ids]), torch.arange(len(ids))[None])[0, 2:].numpy()


def test_vectors_are_hidden_states_of_real_residues_only():
    sequences = [protein(n, n, str(n)) for n in (3, 40, 17, 1)]

    made = NativeEncoder(MODEL, Choice(axis="residue", batch_tokens=64)).encode(sequences)

    assert [e.name for e in made] == ["3", "40", "17", "1"]
    for embedding, sequence in zip(made, sequences, strict=True):
        assert embedding.axis == "residue"
        assert embedding.vectors.shape == (len(sequence), 32)
        assert embedding.vectors.dtype == np.float32
        assert np.abs(embedding.vectors - by_definition(sequence)).max() < TOLERANCE


def test_an_embedding_does_not_depend_on_its_neighbours():
    sequences = [protein(n, n) if n % 2 else dna(n, n) for n in (5, 60, 31, 8, 90)]

    together = NativeEncoder(MODEL).encode(sequences)
    apart = [NativeEncoder(MODEL, Choice(batch_tokens=1)).encode([s])[0] for s in sequences]

    for one, two in zip(together, apart, strict=True):
        assert np.abs(one.vectors - two.vectors).max() < TOLERANCE


@pytest.mark.parametrize(("pool", "by_hand"), [("mean", lambda v: v.mean(0)), ("max", lambda v: v.max(0)), ("last", lambda v: v[-1])])
def test_pooling_is_over_residues(pool, by_hand):
    sequence = dna(21, 3)

    [made] = NativeEncoder(MODEL, Choice(pool=pool)).encode([sequence])

    assert made.vectors.shape == (1, 32)
    assert np.abs(made.vectors[0] - by_hand(by_definition(sequence))).max() < TOLERANCE


def test_a_codon_is_the_mean_of_its_nucleotides():
    sequence = dna(21, 3)

    [made] = NativeEncoder(MODEL, Choice(axis="codon")).encode([sequence])

    assert np.abs(made.vectors - by_definition(sequence).reshape(7, 3, 32).mean(1)).max() < TOLERANCE


def test_a_sequence_without_such_an_axis_is_refused():
    cases: list[tuple[Axis, Sequence, str]] = [
        ("codon", dna(20, 1, "odd"), "'odd' has 20 nucleotides, which is not a whole number of codons"),
        ("codon", protein(6, 1, "p"), "'p' is protein, which has no codon axis. Use --axis residue"),
        ("residue", dna(6, 1, "d"), "'d' is dna, which has no residue axis. Use --axis nucleotide"),
        ("nucleotide", protein(6, 1, "p"), "'p' is protein, which has no nucleotide axis"),
    ]
    for axis, sequence, words in cases:
        with pytest.raises(FrameError, match=words):
            NativeEncoder(MODEL, Choice(axis=axis)).encode([sequence])


def test_a_layer_can_be_chosen():
    sequence = protein(9, 1)
    last = NativeEncoder(MODEL, Choice(axis="residue", layer=2)).encode([sequence])[0].vectors
    first = NativeEncoder(MODEL, Choice(axis="residue", layer=1)).encode([sequence])[0].vectors

    with torch.no_grad():
        normed = MODEL.backbone.get_submodule("norm")(torch.from_numpy(last)).numpy()

    assert np.abs(normed - by_definition(sequence)).max() < TOLERANCE
    assert np.abs(first - last).max() > 0.1
    with pytest.raises(ConfigError, match="layer = 3 does not exist: the model has layers 1 to 2"):
        NativeEncoder(MODEL, Choice(layer=3))


def test_a_long_sequence_is_read_in_windows_and_keeps_its_length():
    sequence = dna(50, 3)

    [made] = NativeEncoder(MODEL, Choice(axis="nucleotide"), context_tokens=23).encode([sequence])

    assert made.vectors.shape == (50, 32)
    assert np.abs(made.vectors[:20] - by_definition(Sequence(sequence.residues[:20], Modality.DNA))).max() < TOLERANCE
    assert np.abs(made.vectors[20:30] - by_definition(Sequence(sequence.residues[10:30], Modality.DNA))[10:]).max() < TOLERANCE


def test_like_lengths_share_a_batch_so_that_little_is_padding():
    rng = np.random.default_rng(0)
    sequences = [protein(int(n), 1) for n in rng.integers(20, 400, size=300)]

    computed, real = NativeEncoder(MODEL, Choice(batch_tokens=4_096)).count_tokens(sequences)

    assert real == sum(len(s) + 2 for s in sequences)
    assert 1 - real / computed < 0.05


def test_the_digest_knows_everything_that_vectors_depend_on():
    digest = NativeEncoder(MODEL).digest

    assert digest == NativeEncoder(build(), Choice(batch_tokens=7)).digest
    others = [
        NativeEncoder(build(1)),
        NativeEncoder(MODEL, Choice(layer=1)),
        NativeEncoder(MODEL, Choice(pool="max")),
        NativeEncoder(MODEL, Choice(axis="codon")),
    ]
    assert len({digest, *(other.digest for other in others)}) == 5


def test_a_chosen_layer_of_shared_strands_is_the_mean_of_both():
    backbone = XLSTM.Config(layers=2, width=16, heads=2, pattern="ms", inner=24, direction="bidirectional")
    model = LanguageModel.Config(vocabulary="dna-12", backbone=backbone, strands="shared").build(1).eval()
    encoder = NativeEncoder(model, Choice(axis="nucleotide", layer=1), grammar=Grammar(tags=False, positions="ordinary"))
    sequence = dna(21, 3)

    here, there = (encoder.encode([read])[0].vectors for read in (sequence, sequence.reverse_complement()))

    assert here.shape == (21, 16)
    np.testing.assert_allclose(here, there[::-1], atol=TOLERANCE)


def test_a_letter_without_a_token_is_a_reason_and_a_strange_modality_an_error():
    encoder = NativeEncoder(
        LanguageModel.Config(vocabulary="prot-38", backbone=XLSTM.Config(layers=1, width=16, heads=2, pattern="m")).build()
    )

    assert encoder.refusal(Sequence("MKT*", Modality.PROTEIN, "p")).startswith("Symbol '*' at index 3 (0-based) of 'p' has no token")
    assert encoder.refusal(Sequence("MKT", Modality.PROTEIN, "p")) == ""
    with pytest.raises(AlphabetError, match="has no dna residues"):
        encoder.refusal(Sequence("ACGT", Modality.DNA, "d"))


@pytest.mark.parametrize("is_causal", [True, False])
def test_tokens_are_those_of_the_document_with_what_each_covers(is_causal: bool):
    direction = "causal" if is_causal else "bidirectional"
    model = LanguageModel.Config(backbone=Transformer.Config(layers=2, width=32, heads=2, inner=48, direction=direction)).build(1).eval()
    words, encoder = model.vocabulary, NativeEncoder(model)

    for sequence in (dna(9, 1, "d"), dna(9, 1).transcribe(), protein(5, 1)):
        [made] = encoder.tokens([sequence])
        ids = [words.begin, words.tag(sequence.modality), *words.encode(sequence).tolist(), *([] if is_causal else [words.end])]
        with torch.no_grad():
            expected = model.hidden(torch.tensor([ids]), torch.arange(len(ids))[None])[0].numpy()

        assert np.abs(made.vectors - expected).max() < TOLERANCE
        assert made.spans[:3].tolist() == [[0, 0], [0, 0], [0, 1]] and made.special_mask.sum() == (2 if is_causal else 3)
        assert (made.spans[1:, 0] == made.spans[:-1, 1]).all() and made.spans[-1, 1] == len(sequence)


def test_tokens_of_a_molecule_cover_its_symbols():
    model = LanguageModel.Config(vocabulary="smiles-176", backbone=Transformer.Config(layers=1, width=16, heads=2, inner=16)).build().eval()
    encoder = NativeEncoder(model, grammar=Grammar(tags=False))
    molecule = Sequence("CCl[NH4+]", Modality.MOLECULE, "m")

    [made], [pooled] = encoder.tokens([molecule]), encoder.encode([molecule])

    pieces = [molecule.residues[a:b] for a, b in made.spans.tolist() if b > a]
    assert pieces[:2] == ["C", "Cl"] and "".join(pieces) == molecule.residues and len(pieces) == len(model.vocabulary.encode(molecule))
    assert np.abs(pooled.vectors[0] - made.vectors[1:].mean(axis=0)).max() < TOLERANCE


def test_padding_is_no_part_of_a_molecule_whose_symbols_have_several_letters():
    backbone = Transformer.Config(layers=1, width=16, heads=2, inner=32)
    model = LanguageModel.Config(vocabulary="smiles-176", backbone=backbone).build(3).eval()
    encoder = NativeEncoder(model, grammar=Grammar(tags=False, positions="ordinary"))
    short, long = Sequence("CCCl", Modality.MOLECULE, "a"), Sequence("CCCC", Modality.MOLECULE, "b")

    with torch.no_grad():
        ids = torch.tensor([[model.vocabulary.begin, *model.vocabulary.encode(short)]])
        expected = model.hidden(ids, torch.arange(4)[None])[0, 1:].mean(0).numpy()

    assert encoder.encode([short])[0].vectors[0] == pytest.approx(expected, abs=1e-6)
    assert encoder.encode([short, long])[0].vectors[0] == pytest.approx(expected, abs=1e-6)

"""Every codon gets its own tokens, whatever the tail, the unknown letters and the untranslated ends are."""

import itertools
import re
from typing import Any

import numpy as np
import pytest
import torch

from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import AlphabetError, ConfigError, CoordinateError, FrameError, ShapeError
from biolect.fusion.align import CodonConvolution, codon_grid, codon_taps, codon_weights, tapped

MODES = ("k2s2", "k3s2p2", "repeat", "coverage")


def six_mers(text):
    """Spans of CLS, 6-mers and single letters, as the Nucleotide Transformer cuts: N stands alone and grouping begins anew."""
    spans = [(0, 0)]
    for piece in re.finditer(r"N|[^N]+", text):
        start, stop = piece.span()
        whole = start + (stop - start) // 6 * 6
        spans += [(i, i + 6) for i in range(start, whole, 6)] + [(i, i + 1) for i in range(whole, stop)]
    return np.array(spans)


def letters(text, ends=True):
    return np.array([(0, 0), *((i, i + 1) for i in range(len(text))), *([(len(text), len(text))] if ends else [])])


def random_text(length, seed=0):
    """Nucleotides without a stop in any frame."""
    return "".join(np.random.default_rng(seed).choice(list("ACG"), length))


def naive(grid, spans, mode):
    """The same by definition, codon by codon and token by token."""
    weights = np.zeros((grid.num_codons, len(spans)))
    for codon in range(grid.num_codons):
        own = set(range(grid.start + 3 * codon, grid.start + 3 * codon + 3))
        shared = [len(own & set(range(*span))) for span in spans.tolist()]
        if mode == "coverage":
            weights[codon] = [bool(n) for n in shared]
        elif mode == "repeat":
            weights[codon, shared.index(max(shared))] = max(shared) > 0
        else:
            middle = grid.start + 3 * codon + 1
            for token, (start, stop) in enumerate(spans.tolist()):
                if stop - start > 3 and start <= middle < stop:
                    weights[codon, token] = 1
                    if mode == "k3s2p2" and middle - start < (stop - start) / 2 and token > 0:
                        weights[codon, token - 1] = 1
                    break
    return weights / np.maximum(weights.sum(1, keepdims=True), 1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tail", range(6))
def test_weights_equal_their_definition(mode, tail):
    for unknown, leader in itertools.product([(), (0,), (5,), (6, 14), (17,)], [0, 1, 4]):
        text = random_text(leader + 24 + tail, seed=tail)
        text = "".join("N" if i in unknown else letter for i, letter in enumerate(text))
        grid = codon_grid(Sequence(text, Modality.DNA), start=leader)
        spans = six_mers(text)

        weights = codon_weights(grid, spans, mode).toarray()

        assert grid.num_codons == (24 + tail) // 3 and grid.tail == tail % 3
        np.testing.assert_allclose(weights, naive(grid, spans, mode), atol=1e-7)


@pytest.mark.parametrize("tail", range(6))
def test_one_hot_identities_of_tokens_land_on_their_own_codons(tail):
    plain = random_text(18 + tail, seed=9)
    texts = [plain, *(plain[:unknown] + "N" + plain[unknown + 1 :] for unknown in (0, 1, 2, 3, 7, 13))]
    cases = [(text, spans) for text in texts for spans in (six_mers(text), letters(text))]

    for mode, (text, spans) in itertools.product(("repeat", "coverage"), cases):
        grid = codon_grid(Sequence(text, Modality.DNA))
        placed = codon_weights(grid, spans, mode) @ np.eye(len(spans))
        for codon, row in enumerate(placed):
            seen = {i for token in np.flatnonzero(row) for i in range(*spans[token])}
            own = set(range(3 * codon, 3 * codon + 3))
            assert seen & own and (mode == "repeat" or own <= seen)
            assert row[0] == 0 and row.sum() == pytest.approx(1)


def test_the_convolutions_of_the_paper_are_the_taps():
    text = "ATGGCCAAATAA"
    grid, spans = codon_grid(Sequence(text, Modality.DNA)), six_mers(text)

    two = [tap.toarray().tolist() for tap in codon_taps(grid, spans, "k2s2")]
    three = [tap.toarray().tolist() for tap in codon_taps(grid, spans, "k3s2p2")]

    assert grid.protein == "MAK" and grid.num_codons == 3 and grid.has_stop
    # Tokens are CLS, ATGGCC, AAATAA; codons M, A, K.
    assert two == [[[0, 1, 0], [0, 0, 0], [0, 0, 1]], [[0, 0, 0], [0, 1, 0], [0, 0, 0]]]
    assert three == [*two, [[1, 0, 0], [0, 0, 0], [0, 1, 0]]]


@pytest.mark.parametrize("tail", [0, 3])
def test_a_full_convolution_over_taps_equals_a_transposed_one_over_tokens(tail):
    # Left-over letters are the stop codon, so both outputs are cut to the codons before it.
    text = random_text(24, seed=4) + ("TAA" if tail else "AAATAA")
    grid, spans = codon_grid(Sequence(text, Modality.DNA)), six_mers(text)
    vectors = np.random.default_rng(0).normal(size=(len(spans), 5)).astype(np.float32)
    cases: Any = (
        ("k3s2p2", torch.nn.ConvTranspose1d(5, 5, 3, stride=2, padding=2), 0),
        ("k2s2", torch.nn.ConvTranspose1d(5, 5, 2, stride=2), 1),
    )
    for mode, reference, first in cases:
        taps = codon_taps(grid, spans, mode)
        ours = CodonConvolution(5, len(taps), "full")
        ours.weight.data = reference.weight.data.permute(2, 0, 1)
        ours.bias.data = reference.bias.data

        expected = reference(torch.from_numpy(vectors[first:]).T[None])[0].T[: grid.num_codons]
        found = ours(torch.from_numpy(tapped(taps, vectors))[None])[0]

        assert expected.shape[0] == grid.num_codons
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["depthwise", "low_rank"])
@pytest.mark.parametrize("mode", ["k2s2", "k3s2p2"])
def test_a_small_convolution_begins_as_the_fixed_alignment(mode, kind):
    text = random_text(24)
    grid, spans = codon_grid(Sequence(text, Modality.DNA)), six_mers(text)
    vectors = np.random.default_rng(1).normal(size=(len(spans), 7)).astype(np.float32)
    taps = codon_taps(grid, spans, mode)

    found = CodonConvolution(7, len(taps), kind, rank=2)(torch.from_numpy(tapped(taps, vectors))[None])

    np.testing.assert_allclose(found[0].detach().numpy(), codon_weights(grid, spans, mode) @ vectors, atol=1e-6)


def test_a_full_convolution_is_drawn_within_the_bound_of_its_inputs():
    drawn = CodonConvolution(32, 3, "full").weight.detach().abs().max()

    assert 0.9 < float(drawn) * (3 * 32) ** 0.5 <= 1
    assert 0.8 < float(CodonConvolution(32, 3, "low_rank").down.detach().std()) * 32**0.5 < 1.2


def test_weights_of_convolutions_are_as_many_as_the_paper_has():
    with torch.device("meta"):
        sizes = [sum(p.numel() for p in CodonConvolution(width, 3, "full").parameters()) for width in (4_107, 512)]

    assert sizes == [50_606_454, 786_944]


def test_the_protein_stands_on_its_codons_and_not_on_the_stop():
    sequence = Sequence("GTGGCNTAAAAATAGCC", Modality.DNA)
    spans = np.array([(0, 0), (0, 1), (1, 2), (2, 3), (3, 4), (4, 4)])

    for keeps_stop in (False, True):
        grid = codon_grid(sequence, code=GeneticCode.by_id(11), keeps_stop=keeps_stop)
        weights = codon_weights(grid, spans, "coverage", "residue").toarray()

        assert (grid.protein, grid.internal_stops, grid.tail, grid.num_unknown) == ("MXXK", (2,), 2, 1)
        assert weights[:4].tolist() == np.eye(6)[1:5].tolist() and weights[4:].sum() == 0
        assert len(weights) == 4 + keeps_stop


def test_untranslated_ends_are_never_codons():
    text = "CCCCATGGCCAAATAAGG"
    grid = codon_grid(Sequence(text, Modality.RNA), start=4, stop=16)
    spans = letters(text)

    weights = codon_weights(grid, spans, "coverage").toarray()

    assert grid.protein == "MAK"
    assert np.flatnonzero(weights.sum(0)).tolist() == list(range(5, 14))


def test_what_cannot_be_aligned_is_refused_in_a_sentence():
    gene = Sequence("ATGGCCAAATAA", Modality.DNA, name="g")
    grid = codon_grid(gene)
    with pytest.raises(FrameError, match="'g' has 13 nucleotides, which is not a whole number of codons. Select"):
        codon_grid(Sequence("ATGGCCAAATAAC", Modality.DNA, name="g"), strict=True)
    with pytest.raises(FrameError, match=r"Codon 2 \(1-based\) of 'g' is a stop inside the frame"):
        codon_grid(Sequence("ATGTAAGCC", Modality.DNA, name="g"), strict=True)
    with pytest.raises(FrameError, match="no codon before a stop"):
        codon_grid(Sequence("TAA", Modality.DNA, name="g"))
    with pytest.raises(AlphabetError, match="is protein, which has no codons"):
        codon_grid(Sequence("MAK", Modality.PROTEIN))
    with pytest.raises(CoordinateError, match="4-13 .* does not lie in the 12 nucleotides"):
        codon_grid(gene, start=4, stop=13)
    with pytest.raises(ShapeError, match="gave 4 residues, but the codon axis has 3. Does the sequence include the stop"):
        codon_weights(grid, np.array([(i, i + 1) for i in range(4)]), "coverage", "residue")
    with pytest.raises(CoordinateError, match="must lie in the 12 nucleotides"):
        codon_weights(grid, np.array([(12, 13)]), "coverage")
    with pytest.raises(ConfigError, match="none spans more than a codon"):
        codon_weights(grid, letters(gene.residues), "k2s2")

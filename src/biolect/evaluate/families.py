"""Are generated proteins like a family? Their lengths, nearest members and HMM scores, beside those of natural members.

Source: arXiv:2411.04165, homology-conditioned generation; structures are not predicted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from biolect import metrics
from biolect.errors import MissingDependencyError, ShapeError
from biolect.values import Floats


def compare(
    generated: Sequence[str], natural: Sequence[str], rows: Sequence[str], perplexities: Sequence[float]
) -> dict[str, dict[str, float]]:
    """Return, for each measure, how far generated sequences are from natural ones.

    Args:
        natural: Members of the family.
        rows: An alignment of the family, as rows of an A3M; the HMM is made of it.
        perplexities: Of the generated sequences.

    Returns:
        By measure (`length`, `distance`, `hmm_score`): `ks`, the Kolmogorov-Smirnov statistic between generated and
        natural, 0 where they are alike; `pearson`, |r| with the perplexity, NaN where one of the two does not vary.

    Raises:
        ShapeError: If there is not one perplexity per generated sequence, or fewer than two sequences of a kind.
        MissingDependencyError: Without the extra `families`.
    """
    if len(perplexities) != len(generated) or min(len(generated), len(natural)) < 2:
        raise ShapeError(
            f"There are {len(generated)} generated sequences, {len(perplexities)} perplexities and {len(natural)} natural members. "
            "Give one perplexity per sequence, and at least two sequences of a kind."
        )
    measured = {
        "length": [np.array([len(text) for text in some], dtype=np.float64) for some in (generated, natural)],
        "distance": [distances(generated, natural), distances(natural, natural, apart=True)],
        "hmm_score": [hmm_scores(some, rows) for some in (generated, natural)],
    }
    said = np.asarray(perplexities)
    return {name: {"ks": metrics.ks(ours, theirs), "pearson": _correlation(ours, said)} for name, (ours, theirs) in measured.items()}


def _correlation(values: Floats, perplexities: Floats) -> float:
    if not (values.std() and perplexities.std()):
        return float("nan")
    return abs(float(np.corrcoef(values, perplexities)[0, 1]))


def distances(sequences: Sequence[str], members: Sequence[str], *, apart: bool = False) -> Floats:
    """Return how far the nearest member is from each sequence: the share of columns of a global alignment that differ.

    Args:
        apart: The two are the same sequences; none is its own neighbour.
    """
    from Bio.Align import PairwiseAligner

    aligner = PairwiseAligner(mode="global", match_score=1, mismatch_score=-1, open_gap_score=-1, extend_gap_score=-1)

    def distance(first: str, second: str) -> float:
        alignment: Any = aligner.align(first, second)[0]
        return 1 - alignment.counts().identities / alignment.length

    pairs = ([other for j, other in enumerate(members) if not (apart and i == j)] for i in range(len(sequences)))
    return np.array([min(distance(text, other) for other in others) for text, others in zip(sequences, pairs, strict=True)])


def hmm_scores(sequences: Sequence[str], rows: Sequence[str]) -> Floats:
    """Return the score of each sequence under a profile HMM of an alignment. Bits; 0 where nothing is alike.

    Raises:
        MissingDependencyError: Without the extra `families`.
    """
    try:
        from pyhmmer import easel, plan7
    except ImportError:
        raise MissingDependencyError("HMM scores need the extra 'families'. Install biolect[families].") from None
    letters = easel.Alphabet.amino()
    background = plan7.Background(letters)
    columns = ["".join(letter for letter in row if not (letter.islower() or letter == ".")) for row in rows]
    texts = [easel.TextSequence(name=str(i).encode(), sequence=row) for i, row in enumerate(columns)]
    aligned = easel.TextMSA(name=b"family", sequences=texts).digitize(letters)
    profile, _, _ = plan7.Builder(letters).build_msa(aligned, background)
    asked = [easel.TextSequence(name=str(i).encode(), sequence=text).digitize(letters) for i, text in enumerate(sequences)]
    # No filter and no threshold: the question is how alike each is, not whether it is alike.
    pipeline = plan7.Pipeline(letters, background, E=1e12, F1=1.0, F2=1.0, F3=1.0, bias_filter=False)
    scores = np.zeros(len(sequences))
    for hit in pipeline.search_hmm(profile, easel.DigitalSequenceBlock(letters, asked)):
        scores[int(hit.name)] = hit.score
    return scores

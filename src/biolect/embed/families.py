"""The published families: what each reads, how it cuts sequences, its sizes and its licence."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

from biolect.bio.sequence import Modality
from biolect.embed.encoder import Licence
from biolect.embed.published import Family
from biolect.models.published import KEPT_SHARE, PublishedModel

_OLD: dict[str, Any] = {"positions": "learned", "num_positions": 1_026, "embedding_norm": True, "embedding_scale": KEPT_SHARE}
"""Of ESM-1b."""

ESM2 = Family(
    name="ESM-2",
    modalities=(Modality.PROTEIN,),
    licence=Licence("MIT"),
    vocabulary=("<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>"),
    limit_tokens=1_024,
    behind=("<eos>",),
    forms=("file", "folder"),
    shapes={
        size: PublishedModel.Config(tokens=33, layers=layers, width=width, heads=heads, inner=4 * width, embedding_scale=KEPT_SHARE)
        for size, layers, width, heads in (
            *(("8M", 6, 320, 20), ("35M", 12, 480, 20), ("150M", 30, 640, 20)),
            *(("650M", 33, 1_280, 20), ("3B", 36, 2_560, 40), ("15B", 48, 5_120, 40)),
        )
    },
)
"""ESM-2, protein language models of six sizes.

One token per residue between `<cls>` and `<eos>`. The vocabulary has the 20 amino acids, X B U Z O, and signs of
alignments, but neither J nor the stop `*`: sequences with one of them are refused, because the published code would
read them as unknown in silence, and drop out of register with a codon axis that has no stop.

Source: 10.1126/science.ade2574; files of fair-esm (`.pt`) and of transformers (a folder).
"""

RNA_FM = Family(
    name="RNA-FM",
    modalities=(Modality.RNA, Modality.DNA),
    licence=Licence("MIT"),
    vocabulary=("<cls>", "<pad>", "<eos>", "<unk>", *"ACGURYKMSWBDHVN-", "<null_1>", "<null_2>", "<null_3>", "<null_4>", "<mask>"),
    limit_tokens=1_024,
    behind=("<eos>",),
    window_unit=6,
    forms=("file",),
    shapes={"": PublishedModel.Config(tokens=25, layers=12, width=640, heads=20, inner=5_120, **_OLD)},
)
"""RNA-FM, a language model of non-coding RNA, in the layout of ESM-1b.

One token per nucleotide between `<cls>` and `<eos>`, written with U. Positions are learned, so 1,024 tokens are all
there is; windows are whole sixes of nucleotides (1,020 of 1,022), so that none divides a codon or a 6-mer.

Source: arXiv:2204.00300; `RNA-FM_pretrained.pth`.
"""


_GATED: dict[str, Any] = {"feedforward": "gated", "norm_eps": 1e-12}


def six_mers(residues: str) -> list[str]:
    """Cut DNA as the Nucleotide Transformer reads it."""
    return re.findall("[ACGT]{6}|.", residues)


NUCLEOTIDE_TRANSFORMER = Family(
    name="Nucleotide Transformer",
    modalities=(Modality.DNA, Modality.RNA),
    licence=Licence("CC BY-NC-SA 4.0", commercial=False),
    vocabulary=("<unk>", "<pad>", "<mask>", "<cls>", *map("".join, product("ATCG", repeat=6)), *"ATCGN", "<eos>", "<bos>"),
    limit_tokens=2_048,
    cut=six_mers,
    forms=("folder",),
    shapes={
        size: PublishedModel.Config(tokens=4_107, layers=layers, width=width, heads=16, inner=4 * width, **_GATED)
        for size, layers, width in (("50m", 12, 512), ("100m", 22, 512), ("250m", 24, 768), ("500m", 29, 1_024))
    },
)
"""Nucleotide Transformer v2, DNA language models of four sizes, without their remote code.

`<cls>`, then 6-mers from the left; where fewer than six letters are left before an N or the end, single letters. N is
a token by itself, and grouping starts anew behind it. The order of tokens is that of a folder's vocab.txt, where it has
one. Weights are not for commercial use.

Source: 10.1038/s41592-024-02523-z; folders of transformers with config.json, vocab.txt and weights.
"""

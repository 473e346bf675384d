"""RNA-FM, a language model of non-coding RNA, in the layout of ESM-1b.

One token per nucleotide between `<cls>` and `<eos>`, written with U. Positions are learned, so 1,024 tokens are all
there is; windows are whole sixes of nucleotides (1,020 of 1,022), so that none divides a codon or a 6-mer.

Source: arXiv:2204.00300; `RNA-FM_pretrained.pth`.
"""

from __future__ import annotations

from pathlib import Path

from biolect.bio.sequence import Modality
from biolect.embed.encoder import Licence
from biolect.embed.published import DEFAULT, Choice, Family, FamilyEncoder, from_file
from biolect.models.published import KEPT_SHARE, PublishedModel

FAMILY = Family(
    name="RNA-FM",
    modalities=(Modality.RNA, Modality.DNA),
    licence=Licence("MIT"),
    vocabulary=("<cls>", "<pad>", "<eos>", "<unk>", *"ACGURYKMSWBDHVN-", "<null_1>", "<null_2>", "<null_3>", "<null_4>", "<mask>"),
    limit_tokens=1_024,
    behind=("<eos>",),
    window_unit=6,
)

SHAPE = PublishedModel.Config(
    tokens=len(FAMILY.vocabulary),
    layers=12,
    width=640,
    heads=20,
    inner=5_120,
    positions="learned",
    num_positions=1_026,
    embedding_norm=True,
    embedding_scale=KEPT_SHARE,
)


def load(path: Path, choice: Choice = DEFAULT) -> FamilyEncoder:
    """Load the published `.pth` file. Raises CheckpointError if it is no whole RNA-FM."""
    return FamilyEncoder(from_file(path, heads=SHAPE.heads, token_dropout=True), FAMILY, choice)

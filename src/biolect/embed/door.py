"""One door to all encoders: an address says which family, and where its weights lie."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from biolect.bio.sequence import Modality
from biolect.devices import DeviceName, Precision, choose, training_dtype
from biolect.embed import huggingface
from biolect.embed.encoder import DEFAULT, Choice, Encoder
from biolect.embed.families import ESM2, NUCLEOTIDE_TRANSFORMER, RNA_FM
from biolect.embed.native import NativeEncoder
from biolect.embed.plain import CodonFrequencyEncoder, OneHotEncoder
from biolect.errors import ConfigError

_PUBLISHED: dict[str, Callable[[Path, Choice], Encoder]] = {
    "esm2": ESM2.load,
    "rna-fm": RNA_FM.load,
    "nucleotide-transformer": NUCLEOTIDE_TRANSFORMER.load,
    "huggingface": huggingface.load,
}
_PLAIN = ("one-hot", "codon-frequency")
_TOLD: set[str] = set()


def is_published(address: str) -> bool:
    """Whether an address names weights of a published family."""
    return address.partition(":")[0] in _PUBLISHED and not Path(address).exists()


def usual_dtype(address: str, device: DeviceName = "auto") -> Precision:
    """Return the precision to embed in if none is asked for.

    Published models compute in bfloat16 where the hardware has it: vectors of size 1 move by a few hundredths, and
    embedding takes half the time. Ours stay in float32, in which they are asked everything else.
    """
    return "bfloat16" if is_published(address) and training_dtype("auto", choose(device).device) == "bfloat16" else "float32"


def load_encoder(address: str, choice: Choice = DEFAULT, notify: Callable[[str], object] | None = None) -> Encoder:
    """Load an encoder.

    Args:
        address: `esm2:PATH`, `rna-fm:PATH`, `nucleotide-transformer:PATH` or `huggingface:PATH`, with weights as they were
            published; `one-hot:MODALITY`; `codon-frequency` or `codon-frequency:CODONS`, the width of the window;
            anything else is a model of ours, by shipped name or folder.
        notify: Told the licence of weights when they are first used; None writes to standard error.

    Raises:
        ConfigError: If there is no such encoder, or its licence was not accepted.
        CheckpointError: If its weights cannot be read.
    """
    kind, _, rest = address.partition(":")
    if is_published(address):
        encoder = _PUBLISHED[kind](Path(rest), choice)
    elif kind in _PLAIN and not Path(address).exists():
        return _plain(kind, rest, choice)
    else:
        encoder = NativeEncoder.load(address, choice)
    if encoder.licence is not None and address not in _TOLD:
        _TOLD.add(address)
        terms = "" if encoder.licence.commercial else ", not for commercial use"
        (notify or (lambda text: sys.stderr.write(f"{text}\n")))(
            f"Weights of '{address}' are under the licence {encoder.licence.name}{terms}."
        )
    return encoder


def _plain(kind: str, rest: str, choice: Choice) -> Encoder:
    known = {str(m): m for m in Modality if m is not Modality.MOLECULE}
    if kind == "one-hot":
        if rest not in known:
            raise ConfigError(f"'one-hot:{rest}' names no modality. Write one-hot:dna, one-hot:rna or one-hot:protein.")
        return OneHotEncoder(known[rest], axis=choice.axis, pool=choice.pool)
    if rest and not rest.isdecimal():
        raise ConfigError(f"'codon-frequency:{rest}' has no number of codons. Write for example codon-frequency:21.")
    return CodonFrequencyEncoder(int(rest or 21), axis=choice.axis, pool=choice.pool)

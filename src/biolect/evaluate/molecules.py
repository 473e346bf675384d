"""How good generated molecules are: every number over the whole set, and novelty against training.

Source: MOSES (10.3389/fphar.2020.565644) and GuacaMol (10.1021/acs.jcim.8b00839) for the names; #Circles
after arXiv:2112.12542. Published evaluations of Chem-xLSTM measured novelty against the test set. The
synthetic accessibility score is left out: its table comes as a pickle, which is not read here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from biolect import metrics
from biolect.bio import chemistry
from biolect.bio.io import Refusal, read_records
from biolect.bio.sequence import Modality
from biolect.data.corpus import Corpus
from biolect.errors import MissingDependencyError, ShapeError

BITS = 1_024
CIRCLE = 0.7
_ROWS = 1_024
_SYMBOLS = "C N O H F Cl P B Br S I Si # ( ) + - 1 2 3 4 5 6 7 8 = [ ] @ c n o s X .".split()
_PLACES = {symbol: place for place, symbol in enumerate(_SYMBOLS)}
_LENGTH = 350


@dataclass(frozen=True)
class MoleculeSet:
    """Molecules as text, and what RDKit makes of them. Instances never change.

    Attributes:
        texts: SMILES, valid or not, repeats included.
    """

    texts: tuple[str, ...]

    @cached_property
    def valid(self) -> list[tuple[str, Any]]:
        """Canonical SMILES and molecule of every text that RDKit reads, repeats included."""
        parsed = (chemistry.parse(text).molecule for text in self.texts)
        return [(chemistry.canonical(one), one) for one in parsed if one is not None]

    @cached_property
    def distinct(self) -> dict[str, Any]:
        """The valid molecules, each once, by canonical SMILES."""
        return dict(self.valid)

    @property
    def validity(self) -> float:
        """Share of all texts that RDKit reads and sanitises."""
        return len(self.valid) / max(1, len(self.texts))

    @property
    def uniqueness(self) -> float:
        """Share of different molecules among the valid ones, by canonical SMILES."""
        return len(self.distinct) / max(1, len(self.valid))

    def novelty(self, training: Collection[str]) -> float:
        """Share of the distinct molecules that training does not have.

        Args:
            training: Canonical SMILES.
        """
        return sum(text not in training for text in self.distinct) / max(1, len(self.distinct))

    @cached_property
    def scaffolds(self) -> set[str]:
        """Different Bemis-Murcko scaffolds of the distinct molecules; chains without rings have none."""
        return {chemistry.scaffold(one) for one in self.distinct.values()} - {""}

    @cached_property
    def fingerprints(self) -> list[Any]:
        """Morgan fingerprints of radius 2 and 1,024 bits of the distinct molecules."""
        return [chemistry.fingerprint(one, BITS) for one in self.distinct.values()]

    def internal_diversity(self) -> float:
        """Mean Tanimoto distance over all pairs of different distinct molecules; NaN with fewer than two."""
        bits = np.array([list(one) for one in self.fingerprints], dtype=np.float32).reshape(-1, BITS)
        sizes, total = bits.sum(axis=1), 0.0
        for first in range(0, len(bits), _ROWS):
            shared = bits[first : first + _ROWS] @ bits.T
            union = sizes[first : first + _ROWS, None] + sizes - shared
            total += float(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0).sum(dtype=np.float64))
        pairs = len(bits) * (len(bits) - 1)
        # Every molecule with at least one bit is wholly similar to itself; those pairs do not count.
        return 1 - (total - float((sizes > 0).sum())) / pairs if pairs else float("nan")

    def circles(self) -> int:
        """Distinct molecules that are pairwise farther apart than a Tanimoto distance of 0.7, as many as one pass finds."""
        return chemistry.circles(self.fingerprints, CIRCLE)

    @cached_property
    def descriptors(self) -> np.ndarray:
        """Molecular weight and log P of the distinct molecules, one row each."""
        return np.array([chemistry.weight_and_logp(one) for one in self.distinct.values()]).reshape(-1, 2)

    def distances(self, reference: MoleculeSet) -> dict[str, float]:
        """Kolmogorov-Smirnov statistics of molecular weight and log P: the largest gap between the two distributions."""
        names = ("ks_molecular_weight", "ks_log_p")
        return {name: metrics.ks(self.descriptors[:, i], reference.descriptors[:, i]) for i, name in enumerate(names)}

    def frechet(self, reference: MoleculeSet) -> float:
        """Frechet ChemNet distance of the valid molecules, repeats included, to the reference. See `chemnet_distance`."""
        return chemnet_distance([text for text, _ in self.valid], [text for text, _ in reference.valid])


def molecules_of(path: str | Path, split: str = "train") -> MoleculeSet:
    """Return the molecules of a file or, of a corpus folder, those of one split.

    Raises:
        InputError: If the file cannot be read.
        CheckpointError: If the folder is no corpus.
    """
    if not Path(path).is_dir():
        return MoleculeSet(tuple(r.residues for r in read_records(path, modality=Modality.MOLECULE) if not isinstance(r, Refusal)))
    corpus = Corpus.open(path)
    stores = [store for name, store in corpus.collections.items() if name in ("molecules", "domains")]
    members = [store.member(i) for store in stores for group in store.groups_in(split) for i in store.members_of(int(group))]
    return MoleculeSet(tuple(corpus.vocabulary.decode(one.token_ids, Modality.MOLECULE) for one in members))


def quality(texts: Sequence[str], training: MoleculeSet | None = None, reference: MoleculeSet | None = None) -> dict[str, Any]:
    """Return every measure of `MoleculeSet` as plain data.

    Args:
        training: What novelty is judged by; without it novelty is None.
        reference: Molecules the samples should resemble, held out from training; without them distances are left out.
    """
    if not chemistry.is_there():
        return {"unique_fraction": len(set(texts)) / max(1, len(texts)), "notice": chemistry.NOTICE}
    found = MoleculeSet(tuple(texts))
    diversity = found.internal_diversity() if len(found.distinct) > 1 else None
    report: dict[str, Any] = {
        "validity": found.validity,
        "uniqueness": found.uniqueness,
        "novelty": None if training is None else found.novelty(training.distinct.keys()),
        "distinct": len(found.distinct),
        "scaffolds": len(found.scaffolds),
        "internal_diversity": diversity,
        "circles": found.circles(),
    }
    if reference is not None and len(found.valid) > 1 and len(reference.valid) > 1:
        report |= {"frechet_chemnet": found.frechet(reference), **found.distances(reference)}
    return report


@lru_cache(maxsize=1)
def _layers() -> list[Any]:
    spec = find_spec("fcd_torch")
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            "The Frechet ChemNet distance needs the weights of fcd_torch, which is in the extra 'chem'. Install biolect[chem]."
        )
    path = Path(spec.origin).with_name("ChemNet_v0.13_pretrained.pt")
    return torch.load(path, map_location="cpu", weights_only=True)


def _one_hot(texts: Sequence[str]) -> Tensor:
    """Write SMILES as the network was trained on them: unknown symbols as X, a dot at the end, ones scaled down."""
    out = torch.zeros(len(texts), len(_SYMBOLS), _LENGTH)
    for row, text in enumerate(texts):
        # A text ends at its first dot, so that of a salt only the first part counts.
        symbols = re.findall(".[ril]|.", text.partition(".")[0])[: _LENGTH - 1]
        places = [_PLACES.get(symbol, _PLACES["X"]) for symbol in symbols] + [_PLACES["."]]
        out[row, places, torch.arange(len(places))] = 1 / len(_SYMBOLS)
    return out


@torch.inference_mode()
def activations(texts: Sequence[str]) -> np.ndarray:
    """Return what the last layer but one says of every canonical SMILES, one row of 512 each."""
    rows = []
    for first in range(0, len(texts), _ROWS):
        x = _one_hot(texts[first : first + _ROWS])
        for weights, settings, _ in (parts for kind, parts in _layers() if kind == "Conv1d"):
            step = settings["stride"]
            need = settings["kernel_size"] - (x.shape[2] % step or step)
            padded = functional.pad(x, (need // 2, need - need // 2))
            x = functional.selu(functional.conv1d(padded, weights["weight"], weights.get("bias"), stride=step))
        x = x.transpose(1, 2)
        for weights, settings, other in (parts for kind, parts in _layers() if kind == "LSTM"):
            layer = torch.nn.LSTM(**settings)
            layer.load_state_dict(weights)
            x = layer(x.flip(1) if other["reverse"] else x)[0]
        rows.append(x[:, -1].numpy())
    return np.concatenate(rows).astype(np.float64)


def chemnet_distance(first: Sequence[str], second: Sequence[str]) -> float:
    """Return the Frechet ChemNet distance of two sets of canonical SMILES: how far apart they are for a network of bioactivities.

    The network's weights come with the package fcd_torch (MIT, extra `chem`); they are read as tensors only, and nothing of
    that package runs. The distance is that of the normal distributions around the network's activations.

    Source: 10.1021/acs.jcim.8b00234.

    Raises:
        ShapeError: If a set has fewer than two molecules.
        MissingDependencyError: If the weights are not there.
    """
    if min(len(first), len(second)) < 2:
        raise ShapeError(f"The Frechet ChemNet distance needs two molecules on either side, not {len(first)} and {len(second)}.")
    return frechet(activations(first), activations(second))


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """Return |m - n|^2 + tr(C + D - 2 (C D)^(1/2)) for means and covariances of two samples of vectors."""
    a, b = np.cov(first.T), np.cov(second.T)
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    # C D and its symmetric form have the same eigenvalues.
    mixed = np.sqrt(np.linalg.eigvalsh(root @ b @ root).clip(min=0)).sum()
    gap = first.mean(axis=0) - second.mean(axis=0)
    return float(gap @ gap + np.trace(a) + np.trace(b) - 2 * mixed)

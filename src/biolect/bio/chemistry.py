"""What only a chemistry toolkit knows of molecules: validity, canonical form, fingerprints, scaffolds.

This is the one place that knows RDKit (extra `chem`). Whether a text is written in SMILES symbols is
asked in `smiles`, and needs no toolkit.
"""
# RDKit says of few of its functions what they take and give.
# pyright: basic

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from biolect.errors import MissingDependencyError

RADIUS = 2
NOTICE = "RDKit is not installed, so molecules are read as text and not checked. Install biolect[chem] to have them checked."


def is_there() -> bool:
    """Return whether RDKit is installed."""
    return find_spec("rdkit") is not None


def need(purpose: str) -> None:
    """Raise MissingDependencyError where RDKit is not installed.

    Args:
        purpose: What it is needed for, to begin the sentence.
    """
    if not is_there():
        raise MissingDependencyError(f"{purpose} needs RDKit, which is in the extra 'chem'. Install biolect[chem].")


class Parsed(NamedTuple):
    """A molecule as RDKit has it, or the reason for which RDKit refuses it."""

    molecule: Any
    problem: str


def parse(text: str) -> Parsed:
    """Read SMILES; of what RDKit refuses, `molecule` is None and `problem` a sentence without its point.

    Raises:
        MissingDependencyError: If RDKit is not installed.
    """
    need("Checking molecules")
    from rdkit import Chem
    from rdkit.rdBase import BlockLogs

    # What RDKit would write to standard error is asked for.
    with BlockLogs():
        found = Chem.MolFromSmiles(text) if text else None
        if found is not None and found.GetNumAtoms():
            return Parsed(found, "")
        raw = Chem.MolFromSmiles(text, sanitize=False) if text else None
        problems = [] if raw is None else Chem.DetectChemistryProblems(raw)
    return Parsed(None, problems[0].Message().rstrip(".") if problems else "it breaks the grammar of SMILES" if text else "it has no atoms")


def canonical(molecule: Any) -> str:
    """Return the SMILES that equal molecules share, with stereochemistry and isotopes."""
    from rdkit import Chem

    return Chem.MolToSmiles(molecule)


def scaffold(molecule: Any) -> str:
    """Return the Bemis-Murcko scaffold as SMILES: rings and what joins them; empty without rings."""
    from rdkit.Chem.Scaffolds import MurckoScaffold

    return MurckoScaffold.MurckoScaffoldSmiles(mol=molecule)


def weight_and_logp(molecule: Any) -> tuple[float, float]:
    """Return molecular weight (dalton) and Crippen's estimate of log P."""
    from rdkit.Chem import Descriptors, rdMolDescriptors

    weight = Descriptors.MolWt(molecule)  # pyright: ignore[reportAttributeAccessIssue] -- made when the module is imported
    return float(weight), float(rdMolDescriptors.CalcCrippenDescriptors(molecule)[0])


@lru_cache(maxsize=4)
def _morgan(bits: int) -> Any:
    from rdkit.Chem import rdFingerprintGenerator

    return rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=bits)


def features(molecule: Any) -> NDArray[np.int64]:
    """Return the distinct Morgan environments of radius 2, by hash and not folded, ascending."""
    return np.array(sorted(_morgan(2_048).GetSparseFingerprint(molecule).GetOnBits()), dtype=np.int64)


def fingerprint(molecule: Any, bits: int) -> Any:
    """Return the Morgan environments of radius 2, folded to so many bits."""
    return _morgan(bits).GetFingerprint(molecule)


def most_similar(asked: Sequence[Any], among: Sequence[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return for every fingerprint its largest Tanimoto similarity to any other one, and which that is; 0 among none."""
    from rdkit.DataStructs import BulkTanimotoSimilarity

    values, places = np.zeros(len(asked)), np.zeros(len(asked), dtype=np.int64)
    for index, one in enumerate(asked if len(among) else ()):
        found = np.array(BulkTanimotoSimilarity(one, among))
        places[index] = found.argmax()
        values[index] = found[places[index]]
    return values, places


def circles(fingerprints: Sequence[Any], distance: float) -> int:
    """Return how many molecules the leader algorithm picks so that all are farther apart than a Tanimoto distance.

    Each molecule is picked that lies farther than the distance from all picked before it, in the given order: a
    lower bound of the largest number of such molecules.
    """
    from rdkit.SimDivFilters.rdSimDivPickers import LeaderPicker

    return len(LeaderPicker().LazyBitVectorPick(list(fingerprints), len(fingerprints), distance)) if len(fingerprints) else 0

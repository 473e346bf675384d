"""Toy molecules: domains that each have one scaffold and a taste of their own for what hangs on it.

A scaffold is two rings and what joins them, with three places for substituents. The substituents of a
domain are drawn for each place from probabilities of its own, so a molecule is partly predictable once its
domain is known, and how far is known exactly. Molecules are written one way only and are valid by
construction: every substituent hangs on a carbon by a single bond.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biolect.errors import ConfigError
from biolect.simulate.toy_genomes import write_texts

SUBSTITUENTS = tuple("C CC C(C)C C(F)(F)F F Cl Br O OC OCC N NC N(C)C C#N C(=O)N S(C)(=O)=O".split())
_FIRST = (
    "c1c({a})cc({b})cc1{rest} c1c({a})cc({b})nc1{rest} c1c({a})nc({b})nc1{rest} c1c({a})sc({b})c1{rest} c1c({a})oc({b})c1{rest} "
    "c1c({a})[nH]c({b})c1{rest} C1C({a})CC({b})CC1{rest} C1C({a})OC({b})CC1{rest}"
).split()
_LINKERS = "C(=O)N NC(=O) OC CO S(=O)(=O)N CC C=C NC(=O)N".split()
_SECOND = (
    "c2ccc({c})cc2 c2cnc({c})cc2 c2cnc({c})nc2 c2csc({c})c2 C2CCC({c})CC2 c2ccc3[nH]c({c})cc3c2 c2ccc3nc({c})ccc3c2 c2ccc3oc({c})cc3c2"
).split()
SCAFFOLDS = tuple(a.replace("{rest}", linker + b) for a, linker, b in product(_FIRST, _LINKERS, _SECOND))
"""All 512, as SMILES with places a, b and c."""


@dataclass(frozen=True)
class ToyDomain:
    """One domain and what only its maker knows.

    Attributes:
        probabilities: One row per place, one column per substituent.
        molecules: As SMILES; independent draws, so some repeat.
    """

    name: str
    scaffold: str
    probabilities: NDArray[np.float64]
    molecules: tuple[str, ...]

    @property
    def bits(self) -> float:
        """Bits of a molecule once its domain is known: what no model can guess."""
        return float(-(self.probabilities * np.log2(np.maximum(self.probabilities, 1e-12))).sum())


def draw_domains(*, seed: int = 0, num_domains: int = 40, num_members: int = 40) -> Iterator[ToyDomain]:
    """Draw domains, no two of one scaffold.

    Raises:
        ConfigError: If a count is not positive, or there are not so many scaffolds.
    """
    if not 1 <= num_domains <= len(SCAFFOLDS) or num_members < 1:
        raise ConfigError(
            f"num_domains = {num_domains} must lie between 1 and {len(SCAFFOLDS)}, the scaffolds, and num_members = {num_members} "
            "must be at least 1."
        )
    rng = np.random.default_rng(seed)
    for number, index in enumerate(rng.permutation(len(SCAFFOLDS))[:num_domains].tolist(), 1):
        # Concentration 0.3 leaves some four of the sixteen substituents common at each place.
        probabilities = rng.dirichlet(np.full(len(SUBSTITUENTS), 0.3), size=3)
        picked = np.stack([rng.choice(len(SUBSTITUENTS), size=num_members, p=row) for row in probabilities], axis=1)
        texts = tuple(
            SCAFFOLDS[index].format(**{place: SUBSTITUENTS[i] for place, i in zip("abc", row, strict=True)}) for row in picked.tolist()
        )
        yield ToyDomain(f"D{number:03d}", SCAFFOLDS[index], probabilities, texts)


def molecules(folder: Path | str, *, seed: int = 0, num_domains: int = 40, num_members: int = 40) -> list[Path]:
    """Write molecules as a table with columns `name`, `domain` and `smiles`, and the truth about them.

    The truth is `truth.tsv`, one line a domain, and `truth.json`, what no model can guess.

    Returns:
        The table, as `prepare` takes it with `domain=domain`.

    Raises:
        ConfigError: See `draw_domains`.
    """
    domains = list(draw_domains(seed=seed, num_domains=num_domains, num_members=num_members))
    rows = [f"{one.name}-{i},{one.name},{text}\n" for one in domains for i, text in enumerate(one.molecules, 1)]
    header = ["domain", "scaffold", "bits", *(f"{place}:{name}" for place in "abc" for name in SUBSTITUENTS)]
    lines = [[one.name, one.scaffold, f"{one.bits:.6f}", *(f"{p:.6f}" for p in one.probabilities.ravel())] for one in domains]
    truth = {"seed": seed, "bits_given_domain": float(np.mean([one.bits for one in domains]))}
    texts = {
        "molecules.csv": "name,domain,smiles\n" + "".join(rows),
        "truth.tsv": "".join("\t".join(line) + "\n" for line in (header, *lines)),
    }
    return write_texts(folder, texts, truth)

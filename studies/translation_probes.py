"""What frozen hidden states of the translation study know, judged by linear probes.

usage: python studies/translation_probes.py [--output DIR] [--only ARM,ARM]

Probes: three-state secondary structure of residues (accuracy; test chains differ from training chains by the
shipped split), and E. coli protein abundance from the coding sequence and from the protein (Spearman; the
shipped cluster-disjoint split). Beside them: what the letters alone give, and what the same network knows before
training. Figures go to probes.json and probes.md beside the scores of the runs. Needs BIOLECT_DATA.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import polars
import torch
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from translation import RESULTS, data_folder
from translation_arms import ARMS

from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Modality, Sequence
from biolect.embed.encoder import Choice
from biolect.embed.native import NativeEncoder
from biolect.metrics import spearman
from biolect.models.language_model import LanguageModel
from biolect.train import checkpoints

STATES = {"H": 0, "G": 0, "I": 0, "E": 1, "B": 1}
CHAINS, GENES, CODONS = 300, 1_000, 300
PENALTIES = np.logspace(-2, 4, 13)


def chains() -> tuple[list[Sequence], list[np.ndarray]]:
    """Return chains and their states: helix 0, strand 1, other 2."""
    table = polars.read_csv(data_folder() / "protein_corpus" / "secondary_structure_8class.csv.gz")
    rows = [row for row in table.iter_rows() if len(row[0]) <= 400][:CHAINS]
    sequences = [Sequence.read(letters, Modality.PROTEIN, unknown="mask") for letters, _ in rows]
    return sequences, [np.array([STATES.get(state, 2) for state in states]) for _, states in rows]


def genes() -> tuple[list[Sequence], list[Sequence], np.ndarray, np.ndarray]:
    """Return coding sequences, proteins, log abundances and whether each is in the training split."""
    table = polars.read_csv(data_folder() / "mrna" / "ecoli_protein_abundance_3627.csv.gz").sample(GENES, seed=0)
    coding = [Sequence(cds[: 3 * CODONS], Modality.DNA) for cds in table["cds"]]
    code = GeneticCode.by_id(11)
    proteins = [Sequence(code.translate(cds[: len(cds) // 3 * 3]).split("*")[0][:CODONS], Modality.PROTEIN) for cds in table["cds"]]
    return coding, proteins, table["log10_abundance"].to_numpy(), (table["split"] == "train").to_numpy()


def letters_of(sequence: Sequence, words: int) -> np.ndarray:
    """Return frequencies of words of so many letters, in frame."""
    size = len(sequence.modality.alphabet)
    codes = sequence.codes[: len(sequence) // words * words].reshape(-1, words) @ size ** np.arange(words)
    return np.bincount(codes, minlength=size**words) / max(1, len(codes))


def ridge(features: np.ndarray, target: np.ndarray, is_train: np.ndarray) -> float:
    """Return the rank correlation on the test part of a ridge fitted on the training part."""
    probe = make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(features[is_train], target[is_train])
    return spearman(probe.predict(features[~is_train]), target[~is_train])


def by_residue(features: list[np.ndarray], states: list[np.ndarray]) -> float:
    """Return the accuracy on the last quarter of the chains of a probe fitted on the others."""
    cut = 3 * len(features) // 4
    train, test = np.concatenate(features[:cut]), np.concatenate(features[cut:])
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, tol=1e-3))
    return float(probe.fit(train, np.concatenate(states[:cut])).score(test, np.concatenate(states[cut:])))


def probe_model(model: LanguageModel, grammar: object) -> dict[str, float]:
    """Return the three figures of one model."""
    sequences, states = chains()
    coding, proteins, target, is_train = genes()
    residues = NativeEncoder(model, Choice(axis="residue"), grammar=grammar).encode(sequences)
    pooled = NativeEncoder(model, grammar=grammar)
    return {
        "secondary structure": by_residue([np.asarray(e.vectors) for e in residues], states),
        "abundance from gene": ridge(np.stack([np.asarray(e.vectors).ravel() for e in pooled.encode(coding)]), target, is_train),
        "abundance from protein": ridge(np.stack([np.asarray(e.vectors).ravel() for e in pooled.encode(proteins)]), target, is_train),
    }


def baseline() -> dict[str, float]:
    """Return the same figures from letters alone: the residue itself, codon and amino-acid frequencies."""
    sequences, states = chains()
    coding, proteins, target, is_train = genes()
    one_hot = [np.eye(len(s.modality.alphabet))[s.codes] for s in sequences]
    return {
        "secondary structure": by_residue(one_hot, states),
        "abundance from gene": ridge(np.stack([letters_of(s, 3) for s in coding]), target, is_train),
        "abundance from protein": ridge(np.stack([letters_of(s, 1) for s in proteins]), target, is_train),
    }


def main() -> None:
    """Probe every finished run that has not been probed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/translation"))
    parser.add_argument("--only", default="matched,broken,single,ordinary")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = RESULTS / "probes.json"
    found = json.loads(path.read_text()) if path.exists() else {"letters alone": baseline()}
    for arm in arguments.only.split(","):
        for folder in sorted((arguments.output / "runs").glob(f"{arm}-?")):
            saved = checkpoints.latest(folder / "checkpoints", torch.float32)
            if folder.name in found or saved is None or not (RESULTS / f"{folder.name}.npz").exists():
                continue
            config = checkpoints.checkpoint.load(saved.folder / "model").config
            if (untrained := f"untrained-{folder.name[-1]}") not in found:
                found[untrained] = probe_model(config.build(int(folder.name[-1])).eval(), ARMS[arm].grammar)
            model = LanguageModel(config)
            model.load_state_dict(saved.weights)
            found[folder.name] = probe_model(model.eval(), ARMS[arm].grammar)
            path.write_text(json.dumps(found, indent=1))
            print(folder.name, found[folder.name], flush=True)
    (RESULTS / "probes.md").write_text(table(found))
    print(table(found))


def table(found: dict[str, dict[str, float]]) -> str:
    """Return, by arm, the mean over seeds of every probe and the figures of each seed, as Markdown."""
    arms = list(dict.fromkeys(name.rpartition("-")[0] or name for name in found))
    names = list(next(iter(found.values())))
    lines = ["# What frozen hidden states know", "", f"| arm | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for arm in arms:
        rows = [figures for name, figures in found.items() if (name.rpartition("-")[0] or name) == arm]
        cells = [f"{np.mean([row[name] for row in rows]):.3f} ({', '.join(f'{row[name]:.3f}' for row in rows)})" for name in names]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

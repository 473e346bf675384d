"""The demo: the main job end to end, on simulated genes for training and on the packaged phiX174 for asking.

Every step returns plain numbers; an estimate is (value, low, high), its interval a bootstrap over clusters of genes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Modality
from biolect.data.corpus import Corpus, PrepareOptions, Progress, check_leakage, prepare
from biolect.data.document import Grammar
from biolect.data.pairing import Pairing
from biolect.devices import TrainingDtype
from biolect.evaluate.judging import Arm
from biolect.evaluate.likelihoods import LN2, add_right, gain, greedy, letters_panel
from biolect.evaluate.question import EvaluateConfig, Pair, Question, spelled
from biolect.infer.generate import Sampling, generate, quality
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.infer.variants import all_single, score_variants
from biolect.metrics import central
from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.simulate import AMINO_ACIDS, genomes
from biolect.train.curriculum import Folders, Phase, RunConfig
from biolect.train.pretrain import MODEL, pretrain
from biolect.values import Floats

CODONS = tuple(map("".join, product("acgt", repeat=3)))
PHIX = Path(str(resources.files("biolect"))) / "assets" / "phix174.gff3"


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    Attributes:
        genes, families: Of each simulated organism.
        tokens, asked: Of all three rounds; most genes that are asked about of each set, other questions take shares of it.
    """

    genes: int = 300
    families: int = 200
    tokens: int = 700_000
    asked: int = 120


FULL = Sizes()
_LETTERS, _RESIDUES = 300_000, 50
"""Most training letters of a Markov model, and most residues of a protein that are asked about: crops in training are up to 60."""
PACKAGED = "genes-transformer"
"""Shipped weights that are asked about phiX174, too; real genes, none of them of phiX174, taught them."""


def demo(corpus: str, tokens: int = FULL.tokens, seed: int = 0, dtype: TrainingDtype = "auto") -> RunConfig:
    """Return three rounds that teach a million parameters to translate; small steps, short crops and genes first make it quick."""
    return RunConfig(
        name="demo",
        model=LanguageModel.Config(backbone=Transformer.Config(layers=4, width=128, heads=4, inner=384)),
        corpora=Folders(folders={"simulated": corpus}),
        phases=(
            Phase(name="R1", mixture={"single": 1.0}, tokens=60_000, learning_rate=(2e-3, 2e-3), warmup_tokens=30_000),
            Phase(name="R2", mixture={"single": 1.0, "genes": 4.0}, tokens=350_000, learning_rate=(2e-3, 2e-3)),
            Phase(name="R3", mixture={"single": 1.0, "genes": 9.0}, tokens=290_000, learning_rate=(2e-3, 2e-4)),
        ),
        grammar=Grammar(coordinate_dropout=0.1),
        pairing=Pairing(order="gene_first", crop_codons=(10, 60), truncated_share=0.0, dna_views=(0.7, 0.2, 0.1), rna_context=10),
        context_tokens=256,
        batch_tokens=512,
        dtype=dtype,
        seed=seed,
        evaluate_tokens=50_000,
        checkpoint_tokens=700_000,
        valid_tokens=5_000,
    ).scaled(tokens)


def build(output: Path, sizes: Sizes, seed: int) -> dict[str, Any]:
    """Prepare a corpus of simulated genes, and one of phiX174 that nothing is trained on."""
    files = genomes(output / "simulated", seed=seed, num_genes=sizes.genes, num_families=sizes.families)
    report = prepare(files, output / "corpus", PrepareOptions(valid=0.08, test=0.12, seed=seed))
    natural = prepare([PHIX, PHIX.with_suffix(".fa")], output / "phix174", PrepareOptions(valid=0, test=0))
    check_leakage([Corpus.open(output / "corpus")])
    return {"simulated": report, "phiX174": natural}


def run_demo(output: Path, sizes: Sizes, config: RunConfig, progress: Progress, **how: Any) -> tuple[dict[str, Any], dict[str, float]]:
    """Take every step; return what each step found, and its wall time.

    Args:
        progress: As for `prepare`; units of the training are tokens.
        **how: Passed on to `pretrain`: device, resume, overwrite.
    """
    found: dict[str, Any] = {}
    seconds: dict[str, float] = {}

    def take(name: str, step: Callable[..., Any], total: float | None = None) -> None:
        began = time.perf_counter()
        with progress(name, total) as advance:
            found[name] = step(advance) if total else step()
        seconds[name] = round(time.perf_counter() - began, 3)

    take("prepare", lambda: build(output, sizes, config.seed))
    take("pretrain", lambda advance: pretrain(config, output / "run", advance=advance, **how), config.total_tokens)
    ask = Questions(output, config, sizes, how.get("device", "cpu"))
    for step in (ask.score, ask.translate, ask.code, ask.variants, ask.generate):
        take(step.__name__, step)
    return found, seconds


def spread(arm: Arm) -> Floats:
    """Return the value of an arm and, behind it, that of every draw: what is added and taken away stays paired."""
    return np.append(arm.value, arm.drawn)


def estimate(values: Floats) -> tuple[float, float, float]:
    """Return a value with its interval; see `spread`."""
    interval = central(values[1:])
    return float(values[0]), interval.low, interval.high


class Questions:
    """What a trained model is asked; every answer is plain data."""

    def __init__(self, output: Path, config: RunConfig, sizes: Sizes, device: torch.device | str = "cpu") -> None:
        self.sizes, self.seed = sizes, config.seed
        model = checkpoint.load(output / "run" / MODEL, device=device)
        self.reader, self.vocabulary = Reader(model, config.grammar, config.context_tokens), model.vocabulary
        asked = {"tasks": ("demo",), "items": sizes.asked, "letters": _LETTERS, "seed": config.seed}
        data = {"simulated": output / "corpus", "phiX174": PHIX}
        self.asked = {name: Question(self.reader, EvaluateConfig(data=str(path), **asked)) for name, path in data.items()}
        self.sets = {name: question.pairs("", _RESIDUES) for name, question in self.asked.items()}
        self.packaged = Question(Reader.load(PACKAGED), EvaluateConfig(data=str(PHIX), **asked))

    def score(self) -> dict[str, Any]:
        """Return bits per residue of held-out records on their own, beside those of a Markov model."""
        found = {}
        for letters in self.asked["simulated"].letters({}):
            panel, markov = letters_panel(self.asked["simulated"], letters)
            ours, theirs = (spread(arm) for arm in panel.arms if arm.name in ("model", "best Markov"))
            found[letters.modality.value] = {
                "order": markov.order,
                "residues": sum(map(len, letters.test)),
                "model": estimate(ours),
                "markov": estimate(theirs),
                "gain": estimate(theirs - ours),
                "markov_valid": float(np.concatenate([markov.nats(codes) for codes in letters.valid]).mean()) / LN2,
            }
        return found

    def translate(self) -> dict[str, Any]:
        """Return bits per amino acid alone, after the own gene and after a foreign one, with gene coordinates and without.

        phiX174 is asked of the packaged model as well.
        """
        found: dict[str, Any] = {}
        asked = {name: (question, self.sets[name]) for name, question in self.asked.items()}
        asked["packaged"] = self.packaged, self.packaged.pairs("", _RESIDUES)
        for name, (question, pairs) in asked.items():
            panel = gain(question, pairs, [(one.gene, one.protein) for one in pairs.asked], "protein given gene")
            arms = {(arm.name, arm.metric): spread(arm) for arm in panel.arms}
            found[name] = {"genes": len(pairs.asked), "clusters": len(set(pairs.clusters.tolist()))}
            for suffix, words in (("", ""), ("_coordinate_free", ", ordinary positions")):
                own, foreign = (arms[f"{who} partner{words}", "bits_per_residue"] for who in ("own", "foreign"))
                alone = arms[f"own partner{words}", panel.metric] + own
                kinds = {"alone": alone, "own": own, "foreign": foreign, "gain": alone - own, "gain_over_foreign": foreign - own}
                found[name] |= {kind + suffix: estimate(bits) for kind, bits in kinds.items()}
        return found

    def code(self) -> dict[str, Any]:
        """Return the genetic code as the model reads it: amino acids by codon, and how often the likeliest is the right one."""
        letters = [self.vocabulary.id_of(letter) for letter in AMINO_ACIDS]
        sums, counts = np.zeros((len(CODONS), len(letters))), np.zeros((len(CODONS), 1))
        found: dict[str, Any] = {"codons": CODONS, "amino_acids": AMINO_ACIDS}
        for name, pairs in self.sets.items():
            right = []
            for one in pairs.asked:
                guesses = self._guesses(one)
                right.append((guesses.argmax(axis=1) == one.protein.token_ids).sum())
                # The first codon of a gene is read as M, whatever it is.
                np.add.at(sums, self._codons(one)[1:], guesses[1:, letters])
                np.add.at(counts, self._codons(one)[1:], 1)
            panel = self.asked[name].panel(name, "residues_right", pairs.clusters)
            found[name] = estimate(spread(panel.add_ratio("model", "model", right, [len(one.protein) for one in pairs.asked])))
        trained = [self._codons(one) for one in self.sets["simulated"].others]
        found["trained"] = np.bincount(np.concatenate(trained), minlength=len(CODONS))
        found["probabilities"] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        return found | {"true": [GeneticCode.by_id(11).translate(codon) for codon in CODONS]}

    def _codons(self, one: Pair) -> NDArray[np.integer]:
        """Return the index of each codon in `CODONS`."""
        letters = [self.vocabulary.id_of(letter) for letter in "acgt"]
        return np.searchsorted(letters, one.gene.token_ids).reshape(-1, 3) @ (16, 4, 1)

    @torch.inference_mode()
    def _guesses(self, one: Pair) -> NDArray[np.floating]:
        """Return the distribution over tokens at every amino acid, those before it given. (residues, tokens)."""
        written = self.reader.write(Prompt((one.gene,)), one.protein, coordinates=True)
        arrays = (torch.from_numpy(x.astype(np.int64))[None] for x in (written.token_ids, written.positions))
        logits = self.reader.model(*(x.to(self.reader.model.device) for x in arrays))
        return logits[0, -len(one.protein) - 2 : -2].softmax(dim=-1).cpu().numpy()

    def variants(self) -> dict[str, Any]:
        """Return the effect of every substitution in the shortest protein of phiX174, its gene given and not. Nats."""
        shortest = min(self.sets["phiX174"].asked, key=lambda one: len(one.protein))
        protein = self.reader.sequence(shortest.protein)
        listed = all_single(protein)
        found: dict[str, Any] = {"name": shortest.name, "protein": protein.residues, "amino_acids": AMINO_ACIDS}
        for name, given in (("given its gene", shortest.gene), ("alone", None)):
            ratios = score_variants(self.reader, protein, listed, given=given, member=shortest.protein)
            found[name] = np.zeros((len(AMINO_ACIDS), len(protein)))
            for change, ratio in zip((variant.substitutions[0] for variant in listed), ratios, strict=True):
                found[name][AMINO_ACIDS.index(change.after), change.position - 1] = ratio
        return found

    def generate(self) -> dict[str, Any]:
        """Return greedy translations of genes, letter by letter, and proteins drawn from nothing."""
        found: dict[str, Any] = {"exact": {}, "letters": {}, "shown": []}
        for name, pairs in self.sets.items():
            some = pairs.asked[: max(1, self.sizes.asked // 4)]
            wanted = [protein for _, protein in spelled(self.asked[name], some)]
            made = greedy(self.asked[name], [one.gene for one in some], Modality.PROTEIN, [len(text) + 10 for text in wanted])
            panel = self.asked[name].panel(name, "residues_right", pairs.clusters[: len(some)])
            add_right(panel, "model", "model", made, wanted)
            found["letters"][name], found["exact"][name] = (estimate(spread(arm)) for arm in panel.arms)
            found["shown"] += [(f"{name} {one.name}", *texts) for one, *texts in list(zip(some, wanted, made, strict=True))[:3]]
        free = generate(self.reader, Modality.PROTEIN, self.sizes.asked // 5, Sampling(max_residues=200, seed=self.seed))
        return found | {"free": [s.residues for s in free.sequences], "ended": free.num_ended, "quality": quality(free.sequences)}

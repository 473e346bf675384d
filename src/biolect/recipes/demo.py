"""The demo: the main job end to end, on simulated genes for training and on the packaged phiX174 for asking.

Every step returns plain numbers; an estimate is (value, low, high), its interval a bootstrap over clusters of genes.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import resources
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Modality, Sequence as Residues
from biolect.data.corpus import Corpus, PrepareOptions, Progress, check_leakage, prepare
from biolect.data.document import Grammar, Member, View
from biolect.data.pairing import Pairing
from biolect.data.shards import SPLITS, MemberStore
from biolect.data.sources import SingleSource
from biolect.devices import TrainingDtype
from biolect.evaluate.baselines import best_markov
from biolect.infer.generate import Sampling, generate, quality
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.infer.score import Query, Score, score
from biolect.infer.variants import all_single, score_variants
from biolect.metrics import bootstrap_interval
from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.simulate import AMINO_ACIDS, genomes
from biolect.train.components import pools
from biolect.train.curriculum import Folders, Phase, RunConfig
from biolect.train.pretrain import MODEL, pretrain

CODONS = tuple(map("".join, product("acgt", repeat=3)))
ORDERS = {Modality.DNA: range(7), Modality.RNA: range(7), Modality.PROTEIN: range(4)}


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    Attributes:
        genes, families: Of each simulated organism.
        tokens, asked: Of all three rounds; most stretches scored of each set of genes, other questions take shares of it.
    """

    genes: int = 300
    families: int = 200
    tokens: int = 700_000
    asked: int = 120


FULL = Sizes()


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
    with resources.as_file(resources.files("biolect") / "assets") as assets:
        natural = prepare([assets / "phix174.gff3", assets / "phix174.fa"], output / "phix174", PrepareOptions(valid=0, test=0))
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


@dataclass(frozen=True, eq=False)
class Crop:
    """The same stretch of codons of a coding sequence and of its protein, on coordinates that begin at its start."""

    name: str
    cluster: int
    is_start: bool
    gene: Member
    protein: Member


def crops(store: MemberStore, groups: Iterable[int], codons: int = 50) -> Iterator[Crop]:
    """Cut genes into about equal stretches of at most so many codons; proteins that are part of another one are left out."""
    views = {group: {member.view: member for member in store.group(group)} for group in groups}
    texts = {group: views[group][View.PROTEIN].token_ids.tobytes() for group in views}
    for group, found in views.items():
        if any(texts[group] in text and (len(text), group) > (len(texts[group]), other) for other, text in texts.items()):
            continue
        length = len(found[View.PROTEIN])
        for begin, stop in pairwise(np.linspace(0, length, -(-length // codons) + 1, dtype=int).tolist()):
            gene, protein = (found[view].between(3 * begin, 3 * stop, origin=3 * begin) for view in (View.CDS, View.PROTEIN))
            yield Crop(f"{store.name_of(group)} {begin + 1}-{stop}", store.cluster_of(group), begin == 0, gene, protein)


def _stranger(some: list[Crop], index: int) -> Member:
    """Return the next gene of another cluster, cut or repeated to stand exactly where the own one would."""
    crop = some[index]
    others = [other.gene for other in some[index + 1 :] + some[:index] if other.cluster != crop.cluster] or [crop.gene]
    return replace(crop.gene, token_ids=np.resize(others[0].token_ids, len(crop.gene)))


def estimate(amounts: ArrayLike, counts: ArrayLike, clusters: ArrayLike) -> tuple[float, float, float]:
    """Return the sum of amounts over the sum of counts, with its interval."""
    above, below = np.asarray(amounts, dtype=float), np.asarray(counts, dtype=float)
    low, high = bootstrap_interval(lambda seeds, items: float(above[items].sum() / below[items].sum()), clusters)
    return float(above.sum() / below.sum()), low, high


class Questions:
    """What a trained model is asked; every answer is plain data."""

    def __init__(self, output: Path, config: RunConfig, sizes: Sizes, device: torch.device | str = "cpu") -> None:
        self.config, self.sizes, self.corpus = config, sizes, Corpus.open(output / "corpus")
        model = checkpoint.load(output / "run" / MODEL, device=device)
        self.reader, self.vocabulary = Reader(model, config.grammar, config.context_tokens), model.vocabulary
        self.rng = np.random.default_rng(config.seed)
        self.genes, phix = self.corpus.collections["genes"], Corpus.open(output / "phix174").collections["genes"]
        self.sets = {
            "simulated": self._some(list(crops(self.genes, self.genes.groups_in("test").tolist())), sizes.asked),
            "phiX174": self._some(list(crops(phix, range(phix.num_groups))), sizes.asked),
        }
        self.shortest = min(crops(phix, range(phix.num_groups), codons=10_000), key=lambda crop: len(crop.protein))

    def _some(self, items: list[Any], most: int) -> list[Any]:
        return [items[i] for i in sorted(self.rng.permutation(len(items))[:most].tolist())]

    def _bits(self, pairs: Iterable[tuple[Member, Member | None]]) -> dict[str, NDArray[np.float64]]:
        """Score members, after partners or without; return the bits of each by column of `Score`."""
        scored = [one for one in score(self.reader, [Query("", *pair) for pair in pairs]) if isinstance(one, Score)]
        names = [f"log_likelihood{kind}{suffix}" for kind in ("", "_alone") for suffix in ("", "_coordinate_free")]
        return {name: -np.array([getattr(one, name) for one in scored], dtype=float) / math.log(2) for name in names}

    def _single(self, split: str) -> dict[Modality, SingleSource]:
        """Return where records of each modality alone come from."""
        found = pools(self.config, {"simulated": self.corpus.collections}, split)
        return {m: found[f"simulated:single.{m}"].source for m in ORDERS}  # pyright: ignore[reportReturnType]

    def _codes(self, member: Member) -> NDArray[np.integer]:
        return np.searchsorted(self.vocabulary.residue_ids(member.modality), member.token_ids)

    def _letters(self, source: SingleSource) -> list[NDArray[np.integer]]:
        """Return the codes of every record once, as the model meets it: in windows, DNA from either strand."""
        room, grammar = self.config.context_tokens + 1, self.config.grammar
        return [self._codes(source.document(i, self.rng, room, grammar).members[0]) for i in range(len(source))]

    def score(self) -> dict[str, Any]:
        """Return bits per residue of held-out records on their own, beside those of a Markov model."""
        train, valid, test = (self._single(split) for split in SPLITS)
        found = {}
        for modality, source in test.items():
            letters, judged = self._letters(train[modality]), self._letters(valid[modality])
            markov = best_markov(letters, judged, len(self.vocabulary.residue_ids(modality)), ORDERS[modality])
            chosen = self._some(source.members.tolist(), self.sizes.asked // 2)
            members = [source.store.member(i) for i in chosen]
            owners = np.searchsorted(source.store.column("group_starts"), chosen, side="right") - 1
            clusters, counts = source.store.column("cluster")[owners], [len(member) for member in members]
            ours = self._bits((member, None) for member in members)["log_likelihood_coordinate_free"]
            theirs = np.array([markov.nats(self._codes(member)).sum() for member in members]) / math.log(2)
            found[modality.value] = {
                "order": markov.order,
                "residues": sum(counts),
                "model": estimate(ours, counts, clusters),
                "markov": estimate(theirs, counts, clusters),
                "gain": estimate(theirs - ours, counts, clusters),
                "markov_valid": float(np.concatenate([markov.nats(codes) for codes in judged]).mean()) / math.log(2),
            }
        return found

    def translate(self) -> dict[str, Any]:
        """Return bits per amino acid alone, after the own gene and after a foreign one, with gene coordinates and without."""
        found = {}
        for name, some in self.sets.items():
            counts, clusters = [len(crop.protein) for crop in some], [crop.cluster for crop in some]
            own = self._bits((crop.protein, crop.gene) for crop in some)
            foreign = self._bits((crop.protein, _stranger(some, i)) for i, crop in enumerate(some))
            found[name] = {"crops": len(some), "clusters": len(set(clusters))}
            for suffix in ("", "_coordinate_free"):
                alone, after = own[f"log_likelihood_alone{suffix}"], own[f"log_likelihood{suffix}"]
                strange = foreign[f"log_likelihood{suffix}"]
                kinds = {"alone": alone, "own": after, "foreign": strange, "gain": alone - after, "gain_over_foreign": strange - after}
                found[name] |= {kind + suffix: estimate(bits, counts, clusters) for kind, bits in kinds.items()}
        return found

    def code(self) -> dict[str, Any]:
        """Return the genetic code as the model reads it: amino acids by codon, and how often the likeliest is the right one."""
        letters = [self.vocabulary.id_of(letter) for letter in AMINO_ACIDS]
        sums, counts = np.zeros((len(CODONS), len(letters))), np.zeros((len(CODONS), 1))
        found: dict[str, Any] = {"codons": CODONS, "amino_acids": AMINO_ACIDS}
        for name, some in self.sets.items():
            right = []
            for crop in some:
                guesses = self._guesses(crop)
                right.append((guesses.argmax(axis=1) == crop.protein.token_ids).sum())
                # The first codon of a gene is read as M, whatever it is.
                inner = self._codons(crop)[crop.is_start : len(guesses)]
                np.add.at(sums, inner, guesses[crop.is_start :, letters])
                np.add.at(counts, inner, 1)
            found[name] = estimate(right, [len(crop.protein) for crop in some], [crop.cluster for crop in some])
        trained = crops(self.genes, self.genes.groups_in("train").tolist(), codons=10_000)
        found["trained"] = np.bincount(np.concatenate([self._codons(crop) for crop in trained]), minlength=len(CODONS))
        found["probabilities"] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        return found | {"true": [GeneticCode.by_id(11).translate(codon) for codon in CODONS]}

    def _codons(self, crop: Crop) -> NDArray[np.integer]:
        """Return the index of each codon in `CODONS`."""
        letters = [self.vocabulary.id_of(letter) for letter in "acgt"]
        return np.searchsorted(letters, crop.gene.token_ids).reshape(-1, 3) @ (16, 4, 1)

    @torch.inference_mode()
    def _guesses(self, crop: Crop) -> NDArray[np.floating]:
        """Return the distribution over tokens at every amino acid, those before it given. (residues, tokens)."""
        written = self.reader.write(Prompt((crop.gene,)), crop.protein, coordinates=True)
        arrays = (torch.from_numpy(x.astype(np.int64))[None] for x in (written.token_ids, written.positions))
        logits = self.reader.model(*(x.to(self.reader.model.device) for x in arrays))
        return logits[0, -len(crop.protein) - 2 : -2].softmax(dim=-1).cpu().numpy()

    def variants(self) -> dict[str, Any]:
        """Return the effect of every substitution in the shortest protein of phiX174, its gene given and not. Nats."""
        protein = Residues(self.vocabulary.decode(self.shortest.protein.token_ids, Modality.PROTEIN), Modality.PROTEIN)
        listed = all_single(protein)
        found: dict[str, Any] = {"name": self.shortest.name, "protein": protein.residues, "amino_acids": AMINO_ACIDS}
        for name, given in (("given its gene", self.shortest.gene), ("alone", None)):
            ratios = score_variants(self.reader, protein, listed, given=given, member=self.shortest.protein)
            found[name] = np.zeros((len(AMINO_ACIDS), len(protein)))
            for change, ratio in zip((variant.substitutions[0] for variant in listed), ratios, strict=True):
                found[name][AMINO_ACIDS.index(change.after), change.position - 1] = ratio
        return found

    def generate(self) -> dict[str, Any]:
        """Return greedy translations of genes, letter by letter, and proteins drawn from nothing."""
        found: dict[str, Any] = {"exact": {}, "letters": {}, "shown": []}
        for name, some in self.sets.items():
            chosen = self._some(some, self.sizes.asked // 4)
            drawn = [self._translated(crop) for crop in chosen]
            clusters, sizes = [crop.cluster for crop in chosen], [len(crop.protein) for crop in chosen]
            same = [sum(a == b for a, b in zip(*pair, strict=False)) for pair in drawn]
            found["letters"][name] = estimate(same, sizes, clusters)
            found["exact"][name] = estimate([wanted == made for wanted, made in drawn], np.ones(len(drawn)), clusters)
            found["shown"] += [(f"{name} {crop.name}", *pair) for crop, pair in list(zip(chosen, drawn, strict=True))[:3]]
        free = generate(self.reader, Modality.PROTEIN, self.sizes.asked // 5, Sampling(max_residues=200, seed=self.config.seed))
        return found | {"free": [s.residues for s in free.sequences], "ended": free.num_ended, "quality": quality(free.sequences)}

    def _translated(self, crop: Crop) -> tuple[str, str]:
        """Return a protein as it is, and as the model writes it when it always takes the likeliest letter."""
        sampling = Sampling(temperature=0, max_residues=len(crop.protein) + 10)
        made = generate(self.reader, Modality.PROTEIN, 1, sampling, prompt=Prompt((crop.gene,)))
        return self.vocabulary.decode(crop.protein.token_ids, Modality.PROTEIN), made.sequences[0].residues

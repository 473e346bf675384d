"""What the models of the study of ablations are asked, on held-out clusters, and what the baseline answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ablations_arms import ARMS, CONTEXT, VOCABULARY, Arm, cluster_of, spelled
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence
from translation import data_folder, evaluation_pairs, fitted, pairs_of

from biolect.bio.sequence import Modality
from biolect.data.corpus import Corpus
from biolect.data.document import Document, Member, View
from biolect.data.packing import length_batches
from biolect.data.pairing import Pairing
from biolect.data.sources import SingleSource
from biolect.evaluate.baselines import best_markov
from biolect.evaluate.question import EvaluateConfig
from biolect.evaluate.tasks import evaluate
from biolect.infer.reader import Reader
from biolect.models.language_model import LanguageModel
from biolect.objectives.causal import Causal
from biolect.objectives.loss import token_losses
from biolect.tokens.vocabulary import SPECIAL_INDEX
from biolect.train import components

ALONE = (Modality.PROTEIN, Modality.DNA, Modality.RNA)
ORDERS = {Modality.PROTEIN: (0, 1, 2, 3), Modality.DNA: (2, 4, 6, 8), Modality.RNA: (2, 4, 6, 8)}
CODONS = (20, 200)
AMINO_ACIDS = torch.from_numpy(VOCABULARY.standard_ids(Modality.PROTEIN).astype(np.int64))


class Scale(NamedTuple):
    """How large the study is.

    Attributes:
        tokens: Of a run.
        seeds: Most of an arm.
        items: Held-out records of each modality, and pairs.
        asked: Items of the tasks of `biolect evaluate`.
    """

    tokens: int
    seeds: int
    items: int
    asked: int


def read_last(model: LanguageModel, documents: Sequence[Document], arm: Arm, *, coordinates: bool) -> NDArray[np.float64]:
    """Return (documents, 3): nats, residues, and residues said right, of the last member of each document.

    Nats are over the whole vocabulary; what is said is the likeliest amino acid, whatever else is likelier.
    """
    finish, rng = Causal(), np.random.default_rng(0)
    segments = [finish(arm.grammar.render(written(arm, one), VOCABULARY, coordinates=coordinates), rng) for one in documents]
    out = np.zeros((len(documents), 3))
    for batch in length_batches([len(segment) for segment in segments], 8_192):
        some = [segments[i] for i in batch.tolist()]
        names = ("token_ids", "positions", "targets")
        ids, places, targets = (
            pad_sequence([torch.from_numpy(getattr(one, name).astype(np.int64)) for one in some], batch_first=True) for name in names
        )
        inside = (torch.arange(ids.shape[1]) < torch.tensor([[len(one)] for one in some])).long()
        with torch.no_grad():
            logits = model(ids, places, inside)
        losses, said = token_losses(logits, targets).numpy(), AMINO_ACIDS[logits[..., AMINO_ACIDS].argmax(-1)]
        right = (said == targets).numpy()
        for row, (index, one) in enumerate(zip(batch.tolist(), some, strict=True)):
            chosen = (one.member_ids == len(documents[index].members) - 1) & (one.modality_ids != SPECIAL_INDEX)
            kept = slice(0, len(one))
            out[index] = losses[row, kept][chosen].sum(), chosen.sum(), right[row, kept][chosen].sum()
    return out


def records(corpus: Corpus, modality: Modality, count: int) -> tuple[list[Document], list[int]]:
    """Return held-out records of a modality, cut to a row, and their clusters; the same for all arms."""
    plain = ARMS["full"].config(0, 1_000_000, corpus.folder, "float32")
    source = components.pools(plain, {"main": corpus.collections}, "test")[f"main:single.{modality}"].source
    assert isinstance(source, SingleSource)
    items = np.random.default_rng(1).permutation(len(source))[:count].tolist()
    documents = [source.document(item, np.random.default_rng((2, item)), CONTEXT, plain.grammar) for item in items]
    owners = source.members[np.searchsorted(source.windows, items, side="right")]
    return documents, [cluster_of(source.store, int(source.store.owners[member])) for member in owners]


def ask_records(model: LanguageModel, arm: Arm, corpus: Corpus, modality: Modality, scale: Scale) -> dict[str, Any]:
    """Read records alone, with ordinary positions."""
    documents, clusters = records(corpus, modality, scale.items)
    started = time.process_time()
    found = read_last(model, documents, arm, coordinates=False)
    speed = float(found[:, 1].sum()) / (time.process_time() - started)
    return {"clusters": clusters, "nats": found[:, 0].tolist(), "residues": found[:, 1].tolist(), "residues_per_cpu_second": speed}


def ask_pairs(model: LanguageModel, arm: Arm, corpus: Corpus, scale: Scale) -> dict[str, Any]:
    """Read proteins alone, behind their own genes, and behind foreign ones of the same length at the same places."""
    crops = evaluation_pairs(pairs_of(corpus.collections["genes"], "test", Pairing()), scale.items, 2, CODONS)
    clusters = [cluster for cluster, *_ in crops]
    both = [
        [views[v].between(3 * begin, 3 * (begin + size), origin=3 * begin) for v in (View.CDS, View.PROTEIN)]
        for _, views, begin, size in crops
    ]
    genes, proteins = [gene for gene, _ in both], [protein for _, protein in both]
    strangers = [next((j for j in range(i - len(crops) + 1, i) if clusters[j] != clusters[i]), i) for i in range(len(crops))]
    texts: dict[str, list[tuple[Member, ...]]] = {
        "alone": [(protein,) for protein in proteins],
        "own": list(zip(genes, proteins, strict=True)),
        "foreign": [(fitted(genes[j], len(genes[i])), proteins[i]) for i, j in enumerate(strangers)],
    }
    answer: dict[str, Any] = {"clusters": clusters}
    for positions in dict.fromkeys((arm.positions, "ordinary")):
        for name, members in texts.items():
            found = read_last(model, [Document(one) for one in members], arm, coordinates=positions == "shared")
            answer |= {f"{name}, {positions}": found[:, 0].tolist(), f"{name}, {positions}, right": found[:, 2].tolist()}
            answer["residues"] = found[:, 1].tolist()
    return answer


def written(arm: Arm, document: Document) -> Document:
    """Return a document in the letters of the arm."""
    return spelled(document) if arm.has_shared_letters else document


def ask_task(model: LanguageModel, arm: Arm, task: str, data: Path, scale: Scale) -> dict[str, Any]:
    """Ask a task of `biolect evaluate`; keep values and bootstrap draws of every arm of every part, and what was concluded."""
    reader = Reader(model, arm.grammar, CONTEXT)
    asked = EvaluateConfig(tasks=(task,), data=str(data), items=scale.asked, draws=200)
    ((_, outcome),) = evaluate(asked, reader)
    parts = {
        panel.part: {one.name: {"value": one.value, "drawn": one.drawn.tolist()} for one in panel.arms if one.metric == outcome.metric}
        for panel in outcome.panels
    }
    return {"parts": parts, "facts": outcome.facts, "notes": outcome.notes}


def ask_markov(corpus: Corpus, modality: Modality, scale: Scale) -> dict[str, Any]:
    """Read the same records by the Markov model of the best order, fitted on what A1 reads of the modality."""
    config = ARMS["A1 single"].config(0, scale.tokens, corpus.folder, "float32")
    splits = {split: components.pools(config, {"main": corpus.collections}, split) for split in ("train", "valid")}
    splits["train"] = components.limited(splits["train"], config.unique_tokens)
    codes: dict[str, list[NDArray[np.int64]]] = {}
    for split, found in splits.items():
        source, rng = found[f"main:single.{modality}"].source, np.random.default_rng(0)
        items = range(len(source)) if split == "train" else rng.permutation(len(source))[: scale.items].tolist()
        codes[split] = [dense(source.document(item, rng, CONTEXT, config.grammar).members[0]) for item in items]
    size = len(VOCABULARY.residue_ids(modality))
    model = best_markov(codes["train"], codes["valid"], size, ORDERS[modality])
    documents, clusters = records(corpus, modality, scale.items)
    nats = [float(model.nats(dense(one.members[0])).sum()) for one in documents]
    return {"clusters": clusters, "nats": nats, "residues": [len(one) for one in documents], "order": model.order}


def dense(member: Member) -> NDArray[np.int64]:
    """Return residues as codes from 0."""
    return np.searchsorted(VOCABULARY.residue_ids(member.modality), member.token_ids)


def questions(arm: Arm, corpus: Corpus, scale: Scale) -> dict[str, Callable[[LanguageModel], dict[str, Any]]]:
    """Return what is asked of an arm, by the name of the answer."""
    asked: dict[str, Callable[[LanguageModel], dict[str, Any]]] = {
        modality.value: lambda model, modality=modality: ask_records(model, arm, corpus, modality, scale) for modality in ALONE
    }
    asked["pairs"] = lambda model: ask_pairs(model, arm, corpus, scale)
    if arm.name == "full":
        asked["fitness"] = lambda model: ask_task(model, arm, "protein-fitness", data_folder(), scale)
        asked["in-context"] = lambda model: ask_task(model, arm, "in-context", corpus.folder, scale)
    return asked

"""The study of generated sequences: held-out items of every modality, and controls made of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biolect.bio.sequence import Modality
from biolect.bio.smiles import SMILES
from biolect.data.corpus import Corpus
from biolect.evaluate.baselines import Markov, best_markov

WINDOW, LONGEST, SHOWN, EACH = 480, 250, 8, 4
ORDERS = {"dna": (2, 4, 6, 8), "protein": (0, 1, 2, 3), "molecule": (1, 2, 3)}
FIT_LETTERS = 2_000_000


class Setting(NamedTuple):
    """One modality: held-out items with clusters, a reference, and for proteins the prompts of every item."""

    modality: Modality
    real: list[str]
    clusters: list[int]
    reference: list[str]
    train: list[str]
    prompts: list[list[str]]


def texts_in(corpus: Corpus, split: str, *, longest: int | None = None) -> list[tuple[int, str]]:
    """Return group and text of all members of a split."""
    found = []
    for store in corpus.collections.values():
        for group in store.groups_in(split).tolist():
            members = store.group(group)
            found += [
                (group, corpus.vocabulary.decode(one.token_ids, one.modality)) for one in members if not longest or len(one) <= longest
            ]
    return found


def dna(folder: Path, count: int) -> Setting:
    """Windows of held-out regions, and the regions of training."""
    corpus, rng = Corpus.open(folder / "corpus"), np.random.default_rng(0)
    places = [(g, t, i) for g, t in texts_in(corpus, "test") for i in range(0, len(t) - WINDOW + 1, WINDOW)]
    chosen = [places[i] for i in rng.permutation(len(places))[: 2 * count].tolist()]
    windows = [(group, text[start : start + WINDOW]) for group, text, start in chosen if "N" not in text[start : start + WINDOW]]
    real, other = windows[::2], windows[1::2]
    training = [text for _, text in texts_in(corpus, "train")]
    return Setting(Modality.DNA, [t for _, t in real], [g for g, _ in real], [t for _, t in other], training, [])


def proteins(folder: Path, count: int) -> Setting:
    """Members of held-out families with homologs to show, members of them to compare with, and all members of training."""
    corpus, rng = Corpus.open(folder / "corpus"), np.random.default_rng(0)
    store, decode = corpus.collections["families"], corpus.vocabulary.decode
    real, clusters, reference, prompts = [], [], [], []
    for group in rng.permutation(store.groups_in("test")).tolist():
        members = [decode(one.token_ids, one.modality) for one in store.group(group) if len(one) <= LONGEST]
        if len(members) < 4 or len(set(clusters)) == count:
            continue
        mixed = [members[i] for i in rng.permutation(len(members)).tolist()]
        shown = min(SHOWN, len(mixed) // 2)
        each = min(EACH, (len(mixed) - shown) // 2)
        real += mixed[shown : shown + each]
        reference += mixed[shown + each : shown + 2 * each]
        clusters += [group] * each
        prompts += [mixed[:shown]] * each
    training = [text for _, text in texts_in(corpus, "train")]
    return Setting(Modality.PROTEIN, real, clusters, reference, training, prompts)


def molecules(folder: Path, count: int) -> Setting:
    """Held-out molecules and those of training."""
    corpus = Corpus.open(folder / "alone")
    held = texts_in(corpus, "test", longest=100)
    chosen = [held[i] for i in np.random.default_rng(0).permutation(len(held))[: 2 * count].tolist()]
    real, other = chosen[::2], chosen[1::2]
    training = [text for _, text in texts_in(corpus, "train")]
    return Setting(Modality.MOLECULE, [t for _, t in real], [g for g, _ in real], [t for _, t in other], training, [])


def symbols(text: str, modality: Modality) -> list[str]:
    """Return the letters of a sequence, or the symbols of a molecule."""
    return SMILES.split(text) if modality is Modality.MOLECULE else list(text)


def controls(setting: Setting) -> Iterator[tuple[str, list[str]]]:
    """Yield real items, the same with their letters in another order, and chains of the best order."""
    rng, parts = np.random.default_rng(1), [symbols(text, setting.modality) for text in setting.real]
    yield "real", setting.real
    yield "shuffled", ["".join(rng.permutation(one).tolist()) for one in parts]
    taken, seen = [], 0
    for i in rng.permutation(len(setting.train)).tolist():
        taken.append(symbols(setting.train[i][: FIT_LETTERS // 8], setting.modality))
        seen += len(taken[-1])
        if seen > FIT_LETTERS:
            break
    known = sorted({one for text in taken for one in text})
    place = {one: i for i, one in enumerate(known)}
    codes = [np.array([place[one] for one in text], dtype=np.int64) for text in taken]
    valid = [np.array([place.get(one, 0) for one in symbols(text, setting.modality)], dtype=np.int64) for text in setting.reference]
    chain = best_markov(codes, valid, len(known), ORDERS[setting.modality.value])
    drawn = chains(chain, len(parts), max(map(len, parts)), rng)
    yield f"markov, order {chain.order}", ["".join(known[i] for i in row[: len(one)]) for row, one in zip(drawn, parts, strict=True)]


def chains(chain: Markov, count: int, length: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw from a Markov model, all chains side by side."""
    codes = np.zeros((count, length), dtype=np.int64)
    for place in range(length):
        chances = np.full((count, chain.num_symbols), 1 / chain.num_symbols)
        for k, table in enumerate(chain.tables[: place + 1]):
            context = codes[:, place - k : place] @ chain.num_symbols ** np.arange(k)[::-1]
            seen = table[context]
            chances = (seen + chain.strength * chances) / (seen.sum(axis=1, keepdims=True) + chain.strength)
        reached = chances.cumsum(axis=1)
        codes[:, place] = (rng.random((count, 1)) * reached[:, -1:] < reached).argmax(axis=1)
    return codes


SETTINGS = {"dna": dna, "protein": proteins, "molecule": molecules}

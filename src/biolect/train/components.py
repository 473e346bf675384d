"""Components: what mixtures are made of. From corpora on disk to loaders and fixed validation batches.

A mixture names components: `single` (records alone), `genes` (views of one gene), `related` (sequences
of one gene from several records), `interleaved` (sequences mined from text), `families` (homologs) and
`domains` (molecules of one domain).
`single.protein` means one modality, `refseq:genes` one of several corpora.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from biolect import simulate
from biolect.bio.sequence import Modality
from biolect.data.corpus import Corpus, PrepareOptions, check_leakage, prepare
from biolect.data.document import Document, Overhead, View
from biolect.data.loader import Loader
from biolect.data.packing import pack
from biolect.data.pairing import PairSource
from biolect.data.readable import check_readable
from biolect.data.shards import MemberStore
from biolect.data.sources import FamilySource, GroupSource, SingleSource, Source, document_weights
from biolect.errors import ConfigError
from biolect.files import write_pieces
from biolect.tokens.vocabulary import Vocabulary
from biolect.train.curriculum import Phase, RunConfig
from biolect.values import Batch

_ALONE = {Modality.DNA: (View.LOCUS, View.CDS), Modality.RNA: (View.TRANSCRIPT,), Modality.PROTEIN: (View.PROTEIN,)}
"""Which view of a gene stands for a modality where there are no records of it; the first that exists."""

SIMULATED = ("simulated", "corpus")
SIMULATING = "simulating"
"""A file that says, until the run begins, that toy data beside it are the program's own."""
"""What a run folder holds of a simulated organism: its files, and the corpus made of them."""

_VALID_SEED = 1_234_567


Stores = Mapping[str, MemberStore]
"""What is needed of a corpus: its stores by `sequences`, `genes`, `related`, `interleaved` and `families`, those that are there."""


class Subset(Source):
    """Every so-many-th item of a source, so that a short run repeats its data as often as a long one."""

    def __init__(self, source: Source, count: int) -> None:
        self.source, self.count = source, count

    def __len__(self) -> int:
        """Items kept."""
        return self.count

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Overhead) -> Document:
        """Return a document of one of the kept items."""
        return self.source.document(item * len(self.source) // self.count, rng, room, grammar)


@dataclass(frozen=True)
class Pool:
    """One flat source of a split, with its mean document length. Tokens."""

    source: Source
    mean_tokens: float

    @property
    def tokens(self) -> float:
        """Tokens of one pass over the source, about."""
        return len(self.source) * self.mean_tokens


def pools(config: RunConfig, corpora: Mapping[str, Stores], split: str) -> dict[str, Pool]:
    """Return every source that has items, by flat name (`corpus:component` or `corpus:single.modality`)."""
    found: dict[str, Pool] = {}
    for corpus_name, stores in corpora.items():
        for component, source in _sources(config, stores, split):
            if len(source):
                found[f"{corpus_name}:{component}"] = Pool(source, source.mean_tokens(config.context_tokens + 1, config.grammar))
    return found


def _sources(config: RunConfig, stores: Stores, split: str) -> Iterator[tuple[str, Source]]:
    settings = {"reverse_complement": config.reverse_complement, "window": max(1, config.context_tokens - 4)}
    for modality in _ALONE:
        store, views = _alone(stores, modality)
        if store is not None and store.vocabulary.reads(modality):
            yield f"single.{modality}", SingleSource(store, split, modality, views=views, **settings)
    # Documents of several members come from a store as a whole, so the model must read all that is in it.
    whole = {name: store for name, store in stores.items() if all(store.vocabulary.reads(m) for m in _ALONE if store.total_tokens(m))}
    if "genes" in whole:
        yield "genes", PairSource(whole["genes"], split, config.pairing)
    for component, shuffled in (("related", True), ("interleaved", False)):
        if component in whole:
            yield component, GroupSource(whole[component], split, shuffled=shuffled)
    # Molecules are read whole, so those that are too long for a row, of training or validation, are left out.
    longest = min(config.context_tokens, *map(config.context_of, config.phases)) + 1 - config.grammar.overhead(1)
    for name in {"molecules", "domains"} & stores.keys():
        yield f"single.{Modality.MOLECULE}", SingleSource(stores[name], split, Modality.MOLECULE, longest=longest)
    if "domains" in stores:
        yield "domains", FamilySource(stores["domains"], split, longest)
    if "families" in whole:
        yield "families", FamilySource(whole["families"], split)


def _alone(stores: Stores, modality: Modality) -> tuple[MemberStore | None, tuple[View, ...]]:
    """Return where records of a modality alone come from: records if there are any in any split, else members of families, else genes."""
    for records in (stores.get("sequences"), stores.get("families")):
        if records is not None and records.total_tokens(modality):
            return records, ()
    genes = stores.get("genes")
    if genes is not None:
        views = genes.column("view")
        for view in _ALONE[modality]:
            if (views == view.index).any():
                return genes, (view,)
    return None, ()


def answers(key: str, name: str) -> bool:
    """Return whether a flat name is meant by a key of a mixture."""
    corpus, _, component = name.partition(":")
    wanted_corpus, colon, wanted = key.rpartition(":")
    return (not colon or wanted_corpus == corpus) and (component == wanted or component.startswith(f"{wanted}."))


def limited(found: Mapping[str, Pool], unique_tokens: Mapping[str, int]) -> dict[str, Pool]:
    """Return the pools cut down to the unique tokens a run may draw on."""
    out = dict(found)
    for key, most in unique_tokens.items():
        chosen = {name: pool for name, pool in out.items() if answers(key, name)}
        whole = sum(pool.tokens for pool in chosen.values())
        if whole > most:
            for name, pool in chosen.items():
                out[name] = Pool(Subset(pool.source, max(1, round(len(pool.source) * most / whole))), pool.mean_tokens)
    return out


def shares(mixture: Mapping[str, float], found: Mapping[str, Pool], single_shares: Mapping[str, float]) -> dict[str, float]:
    """Return the share of tokens of every flat source a mixture draws on; they sum to 1.

    Raises:
        ConfigError: If a component has nothing to give.
    """
    out: dict[str, float] = {}
    for key, weight in mixture.items():
        chosen = {name: pool.tokens * _preference(name, found, key, single_shares) for name, pool in found.items() if answers(key, name)}
        whole = sum(chosen.values())
        if not whole:
            there = ", ".join(sorted({name.partition(":")[2] for name in found})) or "nothing"
            raise ConfigError(
                f"The mixture draws on '{key}', of which the corpora have nothing to train on. They have: {there}. "
                f"Prepare a corpus that has it, or read something else, for example 'phases.0.mixture={{{there.split(', ')[0]}: 1}}'."
            )
        for name, tokens in chosen.items():
            if tokens:
                out[name] = out.get(name, 0.0) + weight / sum(mixture.values()) * tokens / whole
    return out


def _preference(name: str, found: Mapping[str, Pool], key: str, single_shares: Mapping[str, float]) -> float:
    """Factor on a source's own size: modalities alone follow their shares, not the sizes of their files."""
    component, _, modality = name.partition(":")[2].partition(".")
    if component != "single":
        return 1.0
    same = sum(pool.tokens for other, pool in found.items() if answers(key, other) and other.endswith(f".{modality}"))
    return single_shares.get(modality, 0.0) / same


def loader(config: RunConfig, index: int, phase: Phase, found: Mapping[str, Pool], vocabulary: Vocabulary) -> Loader:
    """Return the loader of a phase; phases draw in different orders."""
    context = config.context_of(phase)
    parts = shares(phase.mixture, found, config.single_shares)
    sources = {name: found[name].source for name in parts}
    return Loader(
        sources,
        document_weights(sources, parts, context + 1, config.grammar),
        config.grammar,
        vocabulary,
        config.objective.build(vocabulary),
        context_tokens=context,
        num_rows=config.batch_tokens // context,
        seed=config.seed * 1_000 + index,
    )


def check_holes_are_taken(config: RunConfig, corpora: Mapping[str, Stores], found: Mapping[str, Pool]) -> None:
    """Raise ConfigError where holes are to be learned, but a phase reads nothing that they are taken out of."""
    holes = config.objective
    for phase in config.phases:
        if holes.kind != "infill":
            return
        read: set[str] = set()
        for name in shares(phase.mixture, found, config.single_shares):
            corpus, _, component = name.partition(":")
            alone = component.partition(".")[2]
            read |= {alone} if alone else {m.value for m in Modality if corpora[corpus][component].total_tokens(m)}
        if not read & set(holes.modalities):
            raise ConfigError(
                f"objective.modalities = [{', '.join(holes.modalities)}] says what holes are taken out of, but phase "
                f"'{phase.name}' reads {' and '.join(sorted(read))} only. Set objective.modalities=[{', '.join(sorted(read))}], or "
                "objective.kind=causal."
            )


def passes(config: RunConfig, found: Mapping[str, Pool]) -> dict[str, float]:
    """Return how many times each component will be read, about."""
    totals: dict[str, tuple[float, float]] = {}
    for phase in config.phases:
        for name, share in shares(phase.mixture, found, config.single_shares).items():
            component = name.partition(":")[2]
            read, whole = totals.get(component, (0.0, sum(pool.tokens for other, pool in found.items() if other.endswith(f":{component}"))))
            totals[component] = (read + share * phase.tokens, whole)
    return {component: read / whole for component, (read, whole) in totals.items()}


def left_out(found: Mapping[str, Pool]) -> dict[str, int]:
    """Return how many molecules of each source are too long to be read, where there are any."""
    counts = {name: pool.source.left_out for name, pool in found.items() if isinstance(pool.source, SingleSource)}
    return {name: count for name, count in counts.items() if count}


def valid_batches(config: RunConfig, corpora: Mapping[str, Stores], vocabulary: Vocabulary, num_rows: int) -> dict[str, list[Batch]]:
    """Return fixed batches of the validation split, by component.

    Pairs are always true ones. Where positions follow gene coordinates, every paired component is there
    twice: with coordinates, and as `NAME_ordinary` without, because records without annotation have none.
    """
    pairing = config.pairing.model_copy(update={"partners": "matched"})
    out: dict[str, list[Batch]] = {}
    for suffix, positions in (("", config.grammar.positions), ("_ordinary", "ordinary")):
        grammar = config.grammar.model_copy(update={"positions": positions, "coordinate_dropout": 0.0})
        read = config.model_copy(update={"pairing": pairing, "grammar": grammar})
        for name, pool in pools(read, corpora, "valid").items():
            component = name.partition(":")[2].partition(".")[0]
            if suffix and (component != "genes" or config.grammar.positions != "shared"):
                continue
            batches = _packed(read, name, pool, vocabulary, num_rows)
            out.setdefault(component + suffix, []).extend(batches)
    return out


def _packed(config: RunConfig, name: str, pool: Pool, vocabulary: Vocabulary, num_rows: int) -> list[Batch]:
    """Return every item of a pool once, or as many as the token limit allows."""
    finish, context = config.objective.build(vocabulary), config.context_tokens
    draw = Loader(
        {name: pool.source}, {name: 1.0}, config.grammar, vocabulary, finish, context_tokens=context, num_rows=num_rows, seed=_VALID_SEED
    )
    left = [draw.segment(i) for i in range(min(len(pool.source), max(1, int(config.valid_tokens / pool.mean_tokens))))]
    batches = []
    while left:
        batch, used = pack(left, num_rows, context, vocabulary.pad)
        batches.append(batch)
        left = left[used:]
    return batches


def run_corpora(config: RunConfig, output: Path, vocabulary: Vocabulary, *, allow_leakage: bool) -> dict[str, Stores]:
    """Open the corpora of a run.

    Args:
        output: Run folder; a simulated corpus lies inside it, see `simulate_corpus`.

    Raises:
        ConfigError: If the run names no corpus.
        CheckpointError: If a corpus is not whole, or was made with another vocabulary.
        LeakageError: If training and validation share sequences and that is not allowed.
        InputError: If a corpus holds a letter that has no token.
    """
    simulated = {"simulated": str(output / SIMULATED[1])}
    folders = simulated if config.corpora.kind == "simulated" else config.corpora.folders
    if not folders:
        raise ConfigError(f"Recipe '{config.name}' needs a corpus. Make one with biolect prepare, then add corpora.folders.main=FOLDER.")
    opened = {name: Corpus.open(folder, vocabulary) for name, folder in folders.items()}
    check_leakage(list(opened.values()), allow=allow_leakage)
    check_readable(store for corpus in opened.values() for store in corpus.collections.values())
    return {name: corpus.collections for name, corpus in opened.items()}


def simulate_corpus(config: RunConfig, output: Path) -> None:
    """Make toy data and a corpus of it inside the run folder, where the config says so and there is none yet."""
    corpora = config.corpora
    if corpora.kind != "simulated" or (output / SIMULATED[1]).exists():
        return
    write_pieces(output / SIMULATING, [])
    make, options = {
        "genomes": (simulate.genomes, PrepareOptions()),
        "families": (simulate.families, PrepareOptions(kind="families")),
        "molecules": (simulate.molecules, PrepareOptions(kind="molecules", domain="domain")),
    }[corpora.what]
    prepare(make(output / SIMULATED[0], seed=corpora.seed), output / SIMULATED[1], options)

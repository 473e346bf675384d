"""From files of sequences to the collections of a corpus, clustered and split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from biolect.data.gather import Gatherer
from biolect.data.genome import Intervals, given_regions, plan, write_regions
from biolect.data.related import write_linked, write_same_genes
from biolect.data.shards import MemberStore, MemberWriter, assign
from biolect.data.splits import cluster, split
from biolect.data.tally import Tally, cluster_facts
from biolect.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from biolect.data.corpus import PrepareOptions, Progress

COLLECTIONS = ("sequences", "genes", "related", "interleaved", "families")


def gather_sequences(folder: Path, paths: Sequence[Path], options: PrepareOptions, progress: Progress) -> tuple[Tally, dict[str, Any]]:
    """Read, split and write sequences to the collections of a corpus folder; return what was read, and facts for the report.

    Raises:
        InputError: If a file cannot be read, or does not fit the asked kind.
    """
    stages = folder / "stages"
    gatherer = Gatherer(stages, Vocabulary.joint(), options)
    with progress("reading", sum(path.stat().st_size for path in paths)) as advance, gatherer:
        gatherer.read(paths, advance)
    missing = _write_related(stages, gatherer)
    with progress("splitting", None):
        return gatherer.tally, {"clusters": _settle(folder, stages, options, gatherer.intervals), "missing_accessions": missing}


def _write_related(stages: Path, gatherer: Gatherer) -> int:
    """Write the collection of related sequences; return how many accessions of link tables were not among the inputs."""
    stores = {name: MemberStore.open(stages / name) for name in ("sequences", "genes", "genome")}
    with MemberWriter(stages / "related", gatherer.vocabulary, is_staged=True) as writer:
        write_same_genes(writer, stores["genes"], gatherer.same_gene)
        return write_linked(writer, gatherer.link_tables, [stores["sequences"], stores["genome"]]) if gatherer.link_tables else 0


def _settle(folder: Path, stages: Path, options: PrepareOptions, intervals: Intervals) -> dict[str, Any]:
    """Cluster, split, cut genomes, and move what has members to its final place; return what the clusters are like."""
    vocabulary = Vocabulary.joint()
    stores = [MemberStore.open(stages / name) for name in COLLECTIONS]
    clusters = cluster(stores, options.clustering)
    for store, labels, splits in zip(stores, clusters, split(stores, clusters, options.fractions, options.seed), strict=True):
        assign(store.folder, splits, labels)
    sizes = np.bincount(np.concatenate(clusters))
    stores = [MemberStore.open(stages / name) for name in COLLECTIONS]
    genome = MemberStore.open(stages / "genome")
    cut = 0
    if genome.num_groups or intervals:
        if intervals:
            regions = given_regions(genome, intervals, allow_overlaps=options.allow_overlaps)
        else:
            regions = plan(genome, [stores[1]], options.fractions, options.seed)
        # The first store goes on being read while it is extended: its columns only grow.
        with MemberWriter(stages / "sequences", vocabulary, extends=True) as writer:
            cut = write_regions(writer, genome, regions, stores, len(sizes))
    for name in COLLECTIONS:
        if MemberStore.open(stages / name).num_members:
            (folder / "collections").mkdir(exist_ok=True)
            (stages / name).rename(folder / "collections" / name)
    return cluster_facts(sizes) | {"residues_cut": cut}

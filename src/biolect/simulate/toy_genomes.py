"""Toy organisms with known truth, in the formats of real ones.

A bacterium (GenBank) and a eukaryote (GFF3 and FASTA) share families of proteins: every family has an
ancestor drawn from one Markov chain over amino acids, and its members differ from the ancestor at a
share of their residues. So a protein is partly predictable from its beginning, more so once its
family is known, and wholly once its gene is. Genes lie on both strands; the bacterium has promoters,
ribosome binding sites and alternative starts, the eukaryote untranslated ends and introns.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Modality, Sequence as Residues
from biolect.errors import ConfigError
from biolect.files import write_pieces

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
_DIVERGENCE = 0.3
"""Share of residues at which a member of a family is drawn anew."""
Kind = Literal["outside", "untranslated", "coding", "intron"]


@dataclass(frozen=True)
class ToyGene:
    """One gene with what only its maker knows. Intervals are 0-based, half-open, on the record's forward strand.

    Attributes:
        coding: Intervals of the coding sequence, stop codon included, in order of translation.
        transcript: Intervals of the spliced transcript, in the same order.
    """

    name: str
    family: int
    strand: int
    protein: str
    coding: tuple[tuple[int, int], ...]
    transcript: tuple[tuple[int, int], ...]

    @property
    def span(self) -> tuple[int, int]:
        """From the first to the last transcribed nucleotide."""
        return min(start for start, _ in self.transcript), max(stop for _, stop in self.transcript)


@dataclass(frozen=True)
class Organism:
    """One simulated genome. Invariant: every gene's coding sequence translates to its protein exactly.

    Attributes:
        codon_bits: Mean bits of a codon once its amino acid is known: what no model can guess of a
            gene, given its protein. Bits per codon.
    """

    name: str
    code: GeneticCode
    dna: str
    genes: tuple[ToyGene, ...]
    codon_bits: float


@dataclass
class _Maker:
    """Draws all parts of one organism from one generator."""

    rng: np.random.Generator
    code: GeneticCode
    has_introns: bool
    cytosine_guanine: float
    usage: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Concentration 0.8 leaves about one clearly preferred codon an amino acid, as in fast-growing bacteria.
        self.usage = {amino: self.rng.dirichlet(np.full(len(self.code.codons(amino)), 0.8)) for amino in AMINO_ACIDS + "*"}

    def letters(self, low: int, high: int) -> str:
        """Draw nucleotides that mean nothing; length in [low, high]."""
        strong, weak = self.cytosine_guanine / 2, (1 - self.cytosine_guanine) / 2
        return "".join(self.rng.choice(list("ACGT"), size=int(self.rng.integers(low, high + 1)), p=[weak, strong, strong, weak]))

    def coding_sequence(self, protein: str) -> str:
        """Draw codons by the organism's usage; a bacterium opens some genes with GTG or TTG."""
        codons = [str(self.rng.choice(self.code.codons(amino), p=self.usage[amino])) for amino in protein + "*"]
        codons[0] = "ATG" if self.has_introns else str(self.rng.choice(["ATG", "GTG", "TTG"], p=[0.85, 0.1, 0.05]))
        return "".join(codons)

    def parts(self, coding: str) -> Iterator[tuple[Kind, str]]:
        """Lay a gene out in the order of transcription."""
        if not self.has_introns:
            yield "outside", "TTGACA" + self.letters(17, 17) + "TATAAT" + self.letters(5, 9)
            yield "outside", self.letters(4, 12) + "AGGAGG" + self.letters(5, 8)
            yield "coding", coding
            yield "outside", "GCCGCTTAAAAGCGGC" + "T" * 6
            return
        yield "outside", "TATAAA" + self.letters(22, 28)
        yield "untranslated", self.letters(20, 60)
        count = int(self.rng.integers(0, 4))
        cuts = sorted(int(cut) for cut in self.rng.choice(np.arange(12, len(coding) - 12), size=count, replace=False))
        for start, stop in zip([0, *cuts], [*cuts, len(coding)], strict=True):
            yield "coding", coding[start:stop]
            if stop < len(coding):
                yield "intron", "GTAAGT" + self.letters(30, 90) + "TACTAAC" + self.letters(12, 20) + "TTTCAG"
        yield "untranslated", self.letters(20, 60) + "AATAAA" + self.letters(8, 15)

    def codon_bits(self, genes: Iterable[ToyGene]) -> float:
        """Mean entropy of a codon given its amino acid, over all codons but the first."""
        bits = {amino: float(-(p * np.log2(np.maximum(p, 1e-12))).sum()) for amino, p in self.usage.items()}
        return float(np.mean([bits[amino] for gene in genes for amino in gene.protein[1:] + "*"]))


def organisms(*, seed: int = 0, num_genes: int = 200, num_families: int = 40) -> tuple[Organism, Organism]:
    """Make a bacterium and a eukaryote that share protein families.

    Args:
        num_genes: Per organism.
        num_families: Shared by both; families never resemble each other more than chance makes them.

    Raises:
        ConfigError: If a count is not positive.
    """
    if num_genes < 1 or num_families < 1:
        raise ConfigError(f"num_genes = {num_genes} and num_families = {num_families} must both be at least 1.")
    rng = np.random.default_rng(seed)
    chain = rng.dirichlet(np.full(len(AMINO_ACIDS), 0.35), size=len(AMINO_ACIDS))
    ancestors = [_protein(rng, chain, int(rng.integers(60, 181))) for _ in range(num_families)]
    made = []
    for name, table, has_introns, strong in (("bacterium", 11, False, 0.52), ("eukaryote", 1, True, 0.4)):
        maker = _Maker(np.random.default_rng((seed, table)), GeneticCode.by_id(table), has_introns, strong)
        families = maker.rng.integers(0, num_families, size=num_genes)
        proteins = [_protein(maker.rng, chain, len(ancestors[f]), ancestors[f], _DIVERGENCE) for f in families]
        made.append(_assemble(name, maker, families.tolist(), proteins))
    return made[0], made[1]


def genomes(folder: Path | str, *, seed: int = 0, num_genes: int = 200, num_families: int = 40) -> list[Path]:
    """Write a bacterium and a eukaryote, and the truth about them.

    The truth is `truth.tsv`, one line a gene, and `truth.json`, what no model can guess.

    Returns:
        The files of sequences and genes, as `prepare` takes them; the truth lies beside them.

    Raises:
        ConfigError: See `organisms`.
    """
    bacterium, eukaryote = both = organisms(seed=seed, num_genes=num_genes, num_families=num_families)
    rows = [
        (organism.name, gene.name, gene.family, f"{gene.strand:+d}", *gene.span, len(gene.coding) - 1, gene.protein)
        for organism in both
        for gene in organism.genes
    ]
    header = ("organism", "gene", "family", "strand", "start", "stop", "num_introns", "protein")
    truth = {"seed": seed, "codon_bits": {organism.name: organism.codon_bits for organism in both}}
    texts = {
        "bacterium.gbk": _genbank(bacterium),
        "eukaryote.fa": f">{eukaryote.name} simulated chromosome\n"
        + "".join(f"{line}\n" for line in (eukaryote.dna[i : i + 70] for i in range(0, len(eukaryote.dna), 70))),
        "eukaryote.gff3": "".join(_gff3(eukaryote)),
        "truth.tsv": "".join("\t".join(map(str, row)) + "\n" for row in (header, *rows)),
    }
    return write_texts(folder, texts, truth)


def write_texts(folder: Path | str, texts: Mapping[str, str], truth: Mapping[str, Any]) -> list[Path]:
    """Write files by their names, and `truth.json`; return them without the truth, which lies beside them."""
    for name, text in (*texts.items(), ("truth.json", json.dumps(truth, indent=2) + "\n")):
        write_pieces(Path(folder) / name, [text.encode("ascii")])
    return [Path(folder) / name for name in texts if not name.startswith("truth")]


def _protein(rng: np.random.Generator, chain: NDArray[np.float64], length: int, ancestor: str = "", divergence: float = 1.0) -> str:
    """Walk the chain from M; with an ancestor, most residues are its own."""
    residues = "M"
    while len(residues) < length:
        if rng.random() < divergence:
            residues += AMINO_ACIDS[rng.choice(len(AMINO_ACIDS), p=chain[AMINO_ACIDS.index(residues[-1])])]
        else:
            residues += ancestor[len(residues)]
    return residues


def _assemble(name: str, maker: _Maker, families: Sequence[int], proteins: Sequence[str]) -> Organism:
    """String genes together, on either strand, with letters between them that mean nothing."""
    texts: list[str] = []
    genes: list[ToyGene] = []
    place = 0
    for number, (family, protein) in enumerate(zip(families, proteins, strict=True), start=1):
        gap = maker.letters(20, 120)
        parts = list(maker.parts(maker.coding_sequence(protein)))
        text = "".join(piece for _, piece in parts)
        strand = 1 if maker.rng.random() < 0.5 else -1
        origin = place + len(gap)
        coding = _places(parts, {"coding"}, origin, len(text), strand)
        transcript = _places(parts, {"coding", "untranslated"}, origin, len(text), strand)
        genes.append(ToyGene(f"{name[:3]}{number:04d}", family, strand, protein, coding, transcript))
        texts += [gap, text if strand > 0 else Residues(text, Modality.DNA).reverse_complement().residues]
        place = origin + len(text)
    texts.append(maker.letters(20, 120))
    return Organism(name, maker.code, "".join(texts), tuple(genes), maker.codon_bits(genes))


def _places(parts: Sequence[tuple[Kind, str]], kinds: set[str], origin: int, total: int, strand: int) -> tuple[tuple[int, int], ...]:
    """Intervals of the wanted parts on the forward strand, neighbours joined, in order of transcription."""
    merged: list[tuple[int, int]] = []
    place = 0
    for kind, text in parts:
        if kind in kinds and merged and merged[-1][1] == place:
            merged[-1] = (merged[-1][0], place + len(text))
        elif kind in kinds:
            merged.append((place, place + len(text)))
        place += len(text)
    if strand < 0:
        merged = [(total - stop, total - start) for start, stop in merged]
    return tuple((origin + start, origin + stop) for start, stop in merged)


def _genbank(organism: Organism) -> str:
    """Write one record in the flat-file form of the archives."""
    from Bio.Seq import Seq
    from Bio.SeqFeature import SeqFeature, SimpleLocation
    from Bio.SeqRecord import SeqRecord

    name, title = organism.name.upper(), f"Simulated {organism.name}"
    says: dict[str, Any] = {"molecule_type": "DNA", "data_file_division": "SYN", "organism": title, "source": "simulated"}
    record = SeqRecord(Seq(organism.dna), f"{name}.1", name, f"{title}.", annotations=says)
    for gene in organism.genes:
        place = SimpleLocation(*gene.span, strand=gene.strand)
        words = {"locus_tag": gene.name, "codon_start": 1, "transl_table": organism.code.id, "product": f"family {gene.family} protein"}
        words |= {"protein_id": f"{gene.name}.1", "translation": gene.protein}
        record.features += [SeqFeature(place, "gene", qualifiers={"locus_tag": gene.name}), SeqFeature(place, "CDS", qualifiers=words)]
    return record.format("genbank")


def _gff3(organism: Organism) -> Iterator[str]:
    """Write genes, transcripts, exons and coding parts; 1-based, closed, as the format wants."""
    yield f"##gff-version 3\n##sequence-region {organism.name} 1 {len(organism.dna)}\n"
    for gene in organism.genes:

        def line(kind: str, interval: tuple[int, int], phase: int | str, attributes: str, strand: int = gene.strand) -> str:
            start, stop = interval
            return f"{organism.name}\tbiolect\t{kind}\t{start + 1}\t{stop}\t.\t{'+' if strand > 0 else '-'}\t{phase}\t{attributes}\n"

        yield line("gene", gene.span, ".", f"ID={gene.name};Name={gene.name}")
        yield line("mRNA", gene.span, ".", f"ID={gene.name}.t1;Parent={gene.name}")
        for interval in gene.transcript:
            yield line("exon", interval, ".", f"Parent={gene.name}.t1")
        read = 0
        for interval in gene.coding:
            yield line("CDS", interval, -read % 3, f"ID={gene.name}.p1;Parent={gene.name}.t1;transl_table={organism.code.id}")
            read += interval[1] - interval[0]

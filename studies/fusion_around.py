"""Does what the letters of a gene do not say help a fusion, where three spellings of the gene itself do not?

    python studies/fusion_around.py [--scale pilot|hour|full] [--output DIR] [--only TABLE,TABLE] [--threads N]

Genes of E. coli and of yeast chromosomes I to X are found in their genomes by the first and last 60 letters; what is found once
gives 200 letters before its first codon as DNA (promoter and leader), the last 40 of them as RNA, and 200 after its stop
as RNA. Designs of OpenVaccine come with the loop types of a predicted fold, which are spelt as RNA: one letter each for paired,
hairpin, bulge or inner loop, and the rest (outside, or between stems); and the letters of the design that are open, N for the others.
Codons, as letters that know nothing of test rows, are fused with those streams, in five folds of whole clusters; beside it the
same without them, and composition, which counts their words, too. Answers are kept in studies/fusion_around; an interrupted
table goes on where it was in the output folder, and the report is written at the end.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import polars
from Bio import SeqIO
from fusion import DATA, SCALES, TABLES, read

from biolect.bio.sequence import Modality, Sequence
from biolect.data.labelled import Columns
from biolect.evaluate.arms import STAND_INS, FusionConfig
from biolect.evaluate.fusing import RESULTS, fuse

HERE = Path(__file__).with_suffix("")
GENOMES = {
    "ecoli": "genbank/bacteria/Escherichia_coli_K12_MG1655.GCF_000005845.2.fna.gz",
    "yeast_abundance": "eukaryote_slices/yeast/S_cerevisiae_R64.chrI-X_Mito.fa.gz",
}
AROUND = {"dna-before": "one-hot:dna", "rna-leader": "one-hot:rna", "rna-after": "one-hot:rna"}
CONTEXTS = {"ecoli": AROUND, "yeast_abundance": AROUND, "openvaccine": {"rna-loops": "one-hot:rna", "rna-open": "one-hot:rna"}}
LOOPS = str.maketrans("SHBIEMX", "ACGGUUU")
SHOWN = ("composition", "fusion", "without contexts", "fusion over composition", "over itself without contexts", "with composition")
SEED, BEFORE, LEADER, AFTER, INTRONS = 60, 200, 40, 200, 3_000


def around(name: str, rows: int) -> polars.DataFrame:
    """Return the rows of a table whose genes are found once in the genome, with what stands around them."""
    with gzip.open(DATA.parent / GENOMES[name], "rt") as stream:
        written = [Sequence(str(record.seq).upper(), Modality.DNA) for record in SeqIO.parse(stream, "fasta")]
    strands = [strand.residues for one in written for strand in (one, one.reverse_complement())]
    frame = read(name, rows)
    found = [_around(cds.upper(), strands) for cds in frame["cds"].to_list()]
    frame = frame.filter(polars.Series([one is not None for one in found]))
    columns = zip(*(one for one in found if one is not None), strict=True)
    return frame.with_columns(*(polars.Series(key, values) for key, values in zip(("before", "leader", "after"), columns, strict=True)))


def folded(rows: int) -> polars.DataFrame:
    """Return designs with the classes of their loops, and with what of them is open, letter by letter."""
    frame = read("openvaccine", rows)
    loops, opened = [], []
    for row in frame.iter_rows(named=True):
        begin = row["sequence"].index(row["core"])
        types = row["predicted_loop_type"][begin : begin + len(row["core"])]
        loops.append(types.translate(LOOPS))
        opened.append("".join("N" if kind == "S" else letter for letter, kind in zip(row["core"], types, strict=True)))
    return frame.with_columns(loops=polars.Series(loops), open=polars.Series(opened))


def _around(cds: str, strands: list[str]) -> tuple[str, str, str] | None:
    """Return what stands before and after a gene, if it is found exactly once and has room."""
    homes = [(strand, begin) for strand in strands if (begin := strand.find(cds[:SEED])) >= 0 and strand.count(cds[:SEED]) == 1]
    if len(homes) != 1:
        return None
    strand, begin = homes[0]
    end = strand.find(cds[-SEED:], begin) + SEED
    if end < begin + len(cds) or end > begin + len(cds) + INTRONS or begin < BEFORE or end + AFTER > len(strand):
        return None
    before = strand[begin - BEFORE : begin]
    return before, before[-LEADER:].replace("T", "U"), strand[end : end + AFTER].replace("T", "U")


def report() -> None:
    """Write the table of what was asked."""
    lines = ["# Fusion with what stands around a gene, and with how a design folds", ""]
    lines += [f"| table | rows | {' | '.join(SHOWN)} |", f"|{'---|' * (len(SHOWN) + 2)}"]
    for path in sorted(HERE.glob("*.json")):
        found = json.loads(path.read_text())
        arms, gains, composed = found["arms"], found["gains"], found["baselines"][found["composition"]]
        best = found["gain"]["arm"]
        values = [(composed["value"], composed["interval"])]
        values += [(arms[arm]["test"], arms[arm]["interval"]) for arm in (best, f"{best} without contexts")]
        values += [
            (one["difference"], one["interval"])
            for one in (gains["composition"], gains[f"{best} without contexts"], found["with_composition"])
        ]
        cells = [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, (low, high) in values]
        lines.append(f"| {path.stem} | {found['funnel']['used']:,} | {' | '.join(cells)} |")
    (HERE / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def main() -> None:
    """Read the command line and do the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--output", type=Path, default=Path("runs/fusion-around"))
    parser.add_argument("--only", default="")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    scale = SCALES[asked.scale]
    HERE.mkdir(exist_ok=True)
    for name in [one for one in asked.only.split(",") if one] or list(CONTEXTS):
        kept = HERE / f"{name}.json"
        if kept.is_file():
            continue
        asked.output.mkdir(parents=True, exist_ok=True)
        path, table = asked.output / f"{name}.parquet", TABLES[name]
        rows = 200 if asked.scale == "pilot" else 1_000_000
        (around(name, rows) if name in GENOMES else folded(rows)).write_parquet(path)
        config = FusionConfig(
            data=str(path),
            columns=Columns(target=table.target, sequence=table.sequence),
            encoders=STAND_INS,
            contexts=CONTEXTS[name],
            fuser="mil",
            genetic_code=table.code,
            fit=scale.fit.model_copy(update={"steps": 2 * scale.fit.steps}),
            folds=5,
            seeds=1,
        )
        fuse(config, asked.output / name, resume=True, threads=asked.threads)
        kept.write_text((asked.output / name / RESULTS).read_text().replace(f"{asked.output}/", ""))
    report()


if __name__ == "__main__":
    main()

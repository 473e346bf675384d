"""Does fusing encoders of DNA, RNA and protein help on tables of messengers?

    python studies/fusion.py prepare|train|fuse|explain|whole|report [--scale pilot|hour|full] [--output DIR] [--only TABLE,TABLE]

prepare    coding sequences of all tables are clustered together, relatives on either strand and in protein included; whole
           clusters are drawn for test and validation; what is left of all tables becomes one corpus of genes
train      four encoders of equal size and tokens on that corpus: one on pairs of DNA, RNA and protein, and one on each
fuse       every arm, control and baseline of `biolect fuse` on every table, for three sets of encoders: the mixed model, which
           gives all three streams; the three single ones; letters and codons, which have learned nothing
whole      letters alone on all rows: five folds of whole clusters, every record asked once, and the split that the table came with
explain    codon attributions of OpenVaccine designs against degradation measured nucleotide by nucleotide
report     studies/fusion/results.md and results.json from what there is

No encoder ever read a sequence related to a test sequence of any table. Each repeat draws clusters anew and trains its own
encoders. Yeast frames that stand on the opposite strand of a longer one are dropped as dubious; OpenVaccine has no genes, so
its "protein" is a negative control. The 233 messengers are variants of a few designs, one cluster: encoders read none of them,
but their own split can only keep equal sequences together. What is done already is kept; an interrupted part goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars
import torch
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqFeature import FeatureLocation, SeqFeature
from Bio.SeqRecord import SeqRecord
from numpy.typing import NDArray

from biolect.bio.sequence import Modality, Sequence
from biolect.cli.common import plain
from biolect.data.corpus import PrepareOptions, prepare
from biolect.data.labelled import Columns, drawn_splits
from biolect.data.pairing import Pairing
from biolect.data.relatives import KINDS, relatives
from biolect.data.shards import SPLITS
from biolect.devices import training_dtype
from biolect.embed.fused import FusedModel
from biolect.evaluate.arms import STAND_INS, FusionConfig
from biolect.evaluate.fusing import RESULTS, fuse
from biolect.evaluate.tables import frame_fault, translated
from biolect.explain.explaining import explain
from biolect.metrics import bootstrap_interval, spearman
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.train.curriculum import Folders, Phase, RunConfig
from biolect.train.fusing import Fit
from biolect.train.pretrain import MODEL, pretrain

DATA = Path(os.environ.get("BIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "mrna"
HERE = Path(__file__).with_suffix("")
MIXTURES = {
    "mixed": {"genes": 2.0, "single": 1.0},
    "dna": {"single.dna": 1.0},
    "rna": {"single.rna": 1.0},
    "protein": {"single.protein": 1.0},
}
CONTEXT = 1_024
SHARES = {"test": 0.2, "valid": 0.1}
DTYPE = training_dtype("auto", "cpu")
DIFFERENCES = ("over composition", "over single", "over late", "with composition")
WHOLE = {"shipped": (0, 3), "folds": (5, 1)}
"""How letters are asked about all rows: folds, and seeds."""


class Table(NamedTuple):
    """One target of one file."""

    file: str
    target: str
    sequence: str = "cds"
    code: int = 1
    has_genes: bool = True


TABLES = {
    "yeast_abundance": Table("yeast_expression_6600", "log2_fpkm"),
    "half_life": Table("yeast_expression_6600", "half_life"),
    "ecoli": Table("ecoli_protein_abundance_3627", "log10_abundance", code=11),
    "openvaccine": Table("openvaccine_degradation_3634", "mean_deg_Mg_50C", "core", has_genes=False),
    "icodon": Table("icodon_stability_test7576", "decay_rate"),
    "mrna233": Table("mrna233_degradation", "k_deg_per_hour"),
    "species": Table("cds_species_7class", "species"),
}


class Scale(NamedTuple):
    """Rows of a table at most, tokens of an encoder, seeds of an arm, how it is fitted, records explained, and repeats."""

    rows: int
    tokens: int
    seeds: int
    fit: Fit
    explained: int
    repeats: int
    model: Transformer.Config


SMALL = Transformer.Config(layers=4, width=128, heads=4, inner=384)
SCALES = {
    "pilot": Scale(200, 100_000, 1, Fit(steps=30, width=8, channels=8), 8, 1, SMALL),
    "hour": Scale(1_500, 3_000_000, 3, Fit(head="mlp", steps=200, learning_rate=3e-3), 64, 1, SMALL),
    "full": Scale(1_000_000, 30_000_000, 5, Fit(), 200, 3, Transformer.Config(layers=5, width=256, heads=4, inner=704)),
}


def read(name: str, rows: int) -> polars.DataFrame:
    """Return the rows of a table that can be used, of so many that are drawn first."""
    table = TABLES[name]
    frame = polars.read_csv(DATA / f"{table.file}.csv.gz", infer_schema_length=None).filter(polars.col(table.target).is_not_null())
    frame = frame.sample(min(rows, len(frame)), seed=0, shuffle=True)
    if name == "mrna233":
        length = polars.col("orf_end") - polars.col("orf_start")
        frame = frame.with_columns(cds=polars.col("RNA_sequence").str.slice(polars.col("orf_start"), length))
    if name == "openvaccine":
        # Designs are no frames: two letters at the end of the longer ones make no codon.
        core = polars.col("core")
        frame = frame.with_columns(core=core.str.head(core.str.len_chars() // 3 * 3))
        frame = frame.filter((polars.col("sn_filter") != 0) | polars.col("sn_filter").is_null())
    if table.has_genes:
        usable = [not frame_fault(_record(cds), table.code) for cds in frame[table.sequence].to_list()]
        frame = frame.filter(polars.Series(usable))
    if table.file.startswith("yeast"):
        frame = frame.filter(~polars.Series(_dubious([_record(cds) for cds in frame["cds"].to_list()])))
    return frame


def _record(residues: str, name: str = "") -> Sequence:
    return Sequence(residues.upper().replace("U", "T"), Modality.DNA, name)


def _dubious(records: list[Sequence]) -> NDArray[np.bool_]:
    """Return which sequences stand, in part, on the opposite strand of a longer one."""
    found = relatives(records)
    lengths = np.zeros(int(found.sequences.max()) + 1, dtype=np.int64)
    lengths[found.sequences] = [len(record) for record in records]
    opposite = found.pairs.kinds == KINDS.index("opposite_strand")
    first, second = found.pairs.first[opposite], found.pairs.second[opposite]
    return np.isin(found.sequences, np.where(lengths[first] < lengths[second], first, second))


def prepare_all(folder: Path, scale: Scale, repeat: int) -> None:
    """Write every table with its column `clean`, and the corpus of what is held out nowhere."""
    frames = {name: read(name, scale.rows) for name in TABLES}
    homes: dict[str, int] = {}
    for has_genes in (True, False):
        codes = {cds: t.code for name, t in TABLES.items() if t.has_genes is has_genes for cds in frames[name][t.sequence].to_list()}
        records = [_record(cds) for cds in codes]
        proteins = [translated(record, code) for record, code in zip(records, codes.values(), strict=True)] if has_genes else []
        clusters = relatives(records, proteins).clusters
        splits = drawn_splits(records, clusters, SHARES, repeat)
        designs = set(frames["mrna233"]["cds"]) if has_genes else set()
        splits[np.isin(clusters, clusters[[cds in designs for cds in codes]])] = SPLITS.index("test")
        homes |= dict(zip(codes, splits.tolist(), strict=True))
        if has_genes:
            kept = [(record, code) for record, code, s in zip(records, codes.values(), splits, strict=True) if SPLITS[s] != "test"]
            _write_genes(folder / "genes.gb", kept)
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    records = [_record(cds) for cds in dict.fromkeys(frames["mrna233"]["cds"])]
    drawn = drawn_splits(records, np.arange(len(records), dtype=np.int32), SHARES, repeat)
    homes |= dict(zip(dict.fromkeys(frames["mrna233"]["cds"]), drawn.tolist(), strict=True))
    for name, frame in frames.items():
        clean = [SPLITS[homes[cds]] for cds in frame[TABLES[name].sequence].to_list()]
        frame.with_columns(clean=polars.Series(clean)).write_parquet(folder / "tables" / f"{name}.parquet")
        print(f"{name}: {len(frame):,} rows, {clean.count('test'):,} of them for test", flush=True)
    prepare([folder / "genes.gb"], folder / "corpus", PrepareOptions(kind="genes", valid=0.03, test=0.0))


def _write_genes(path: Path, genes: list[tuple[Sequence, int]]) -> None:
    """Write coding sequences as annotated records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = []
    for number, (record, code) in enumerate(genes):
        name = f"G{number:05d}"
        coding = SeqFeature(FeatureLocation(0, len(record), 1), "CDS", qualifiers={"locus_tag": [name], "transl_table": [str(code)]})
        entries.append(SeqRecord(Seq(record.residues), name, name, "coding sequence", features=[coding]))
        entries[-1].annotations["molecule_type"] = "DNA"
    SeqIO.write(entries, path, "genbank")


def train_all(folder: Path, scale: Scale, seed: int) -> None:
    """Train the four encoders."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    for name, mixture in MIXTURES.items():
        output = folder / "encoders" / name
        if (output / MODEL).is_dir():
            continue
        phase = Phase(name="all", mixture=mixture, tokens=scale.tokens, learning_rate=(2e-3, 2e-4), warmup_tokens=scale.tokens // 20)
        config = RunConfig(
            name=f"fusion-{name}",
            model=LanguageModel.Config(backbone=scale.model),
            corpora=Folders(folders={"tables": str(folder / "corpus")}),
            phases=(phase,),
            pairing=Pairing(dna_views=(1.0, 0.0, 0.0)),
            context_tokens=CONTEXT,
            batch_tokens=2 * CONTEXT,
            seed=seed,
            evaluate_tokens=max(CONTEXT, scale.tokens // 5),
            checkpoint_tokens=max(CONTEXT, scale.tokens // 10),
            valid_tokens=20_000,
        )
        result = pretrain(config, output, resume=True, device="cpu")
        print(name, result["bits_per_residue"], flush=True)


def encoders_of(folder: Path) -> dict[str, dict[str, str]]:
    """Return the sets of encoders that are compared."""
    homes = {name: str(folder / "encoders" / name / MODEL) for name in MIXTURES}
    views = ("dna", "rna", "protein")
    return {"mixed": {v: homes["mixed"] for v in views}, "single": {v: homes[v] for v in views}, "letters": STAND_INS}


def fuse_all(folder: Path, scale: Scale, names: list[str], threads: int) -> None:
    """Train every arm on every table."""
    for name in names:
        table = TABLES[name]
        for label, encoders in encoders_of(folder).items():
            output = folder / "fused" / f"{name}-{label}"
            if (output / RESULTS).is_file():
                continue
            config = FusionConfig(
                data=str(folder / "tables" / f"{name}.parquet"),
                columns=Columns(target=table.target, sequence=table.sequence, split="clean"),
                encoders=encoders,
                genetic_code=table.code,
                dtype=DTYPE,
                fit=scale.fit,
                seeds=scale.seeds,
                cache=str(folder / "embeddings"),
            )
            found = fuse(config, output, resume=True, threads=threads)
            print(name, label, {arm: round(one["test"], 3) for arm, one in found["arms"].items()}, flush=True)


def whole_all(output: Path, scale: Scale, names: list[str], threads: int) -> None:
    """Train the arms of letters, which know nothing of test rows, on every row: folds of clusters, and the split as shipped."""
    # The 233 messengers are one cluster, which no fold can part.
    asked = [(label, name) for label in WHOLE for name in names if name != "mrna233"]
    for label, name in asked:
        table, path, folder = TABLES[name], output / "whole" / f"{name}.parquet", output / "whole" / f"{name}-{label}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            read(name, 1_000_000).write_parquet(path)
        if (folder / RESULTS).is_file():
            continue
        folds, seeds = WHOLE[label]
        config = FusionConfig(
            data=str(path),
            columns=Columns(target=table.target, sequence=table.sequence, split=None if folds else "split"),
            encoders=STAND_INS,
            fuser="mil",
            genetic_code=table.code,
            fit=scale.fit.model_copy(update={"steps": 2 * scale.fit.steps}),
            cache=str(output / "whole" / "embeddings"),
            folds=folds,
            seeds=seeds,
        )
        found = fuse(config, folder, resume=True, threads=threads, allow_leakage=not folds)
        print(name, label, {arm: round(one["test"], 3) for arm, one in found["arms"].items()}, flush=True)


def explain_all(folder: Path, scale: Scale) -> None:
    """Explain designs of the test split, and compare shares of codons with what was measured there."""
    frame = polars.read_parquet(folder / "tables" / "openvaccine.parquet").filter(polars.col("clean") == "test").head(scale.explained)
    records = [_record(core, name) for core, name in zip(frame["core"].to_list(), frame["id"].to_list(), strict=True)]
    for label in encoders_of(folder):
        output = folder / "explained" / label
        if (output / "agreement.json").is_file():
            continue
        model = FusedModel.load(folder / "fused" / f"openvaccine-{label}")
        found = explain(model, [record for record in records if not model.refusal(record)], output)
        shares = polars.read_csv(output / "codons.csv")
        streams = shares.columns[4:]
        agreement: dict[str, Any] = {}
        for name in (*streams, "sum"):
            values = [_agreement(shares, row, streams if name == "sum" else [name]) for row in frame.iter_rows(named=True)]
            known = np.array([value for value in values if not np.isnan(value)])
            items = np.arange(len(known))
            agreement[name] = {
                "value": float(known.mean()),
                "interval": bootstrap_interval(lambda _, i, k=known: float(k[i].mean()), items),
            }
        (output / "agreement.json").write_text(json.dumps(plain(agreement | {"faithfulness": found["faithfulness"]}), indent=1) + "\n")


def _agreement(shares: polars.DataFrame, row: dict[str, Any], streams: list[str]) -> float:
    """Return the rank correlation, over the codons of a design, of shares and measured degradation; nan where nothing varies."""
    own = shares.filter(polars.col("id") == row["id"]).select(polars.sum_horizontal(streams)).to_series().to_numpy()
    begin = row["sequence"].replace("U", "T").index(row["core"].replace("U", "T"))
    measured = np.array([float(value) for value in row["deg_Mg_50C"].split(";")])[begin:]
    count = min(len(own), len(measured) // 3)
    per_codon = measured[: 3 * count].reshape(count, 3).mean(axis=1)
    if count < 3:
        return float("nan")
    return spearman(own[:count], per_codon)


def main() -> None:
    """Read the command line and do one part of the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("prepare", "train", "fuse", "explain", "whole", "report"))
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--output", type=Path, default=Path("runs/fusion"))
    parser.add_argument("--only", default="")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    scale = SCALES[asked.scale]
    repeats = asked.repeats or scale.repeats
    names = [name for name in asked.only.split(",") if name] or list(TABLES)
    for repeat in range({"report": 0, "whole": 1}.get(asked.part, repeats)):
        folder = asked.output / f"repeat-{repeat}"
        if asked.part == "whole":
            whole_all(asked.output, scale, names, asked.threads)
        elif asked.part == "prepare" and not (folder / "corpus").is_dir():
            prepare_all(folder, scale, repeat)
        elif asked.part == "train":
            train_all(folder, scale, repeat)
        elif asked.part == "fuse":
            fuse_all(folder, scale, names, asked.threads)
        elif asked.part == "explain":
            explain_all(folder, scale)
    if asked.part == "report":
        from fusion_report import report

        report(asked.output, repeats, scale)


if __name__ == "__main__":
    main()

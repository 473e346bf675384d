"""Toy messengers follow the rule that is written beside them."""

import json
import os
import subprocess
import sys

import numpy as np
import polars
import pytest

from biolect.bio.genetic_code import GeneticCode
from biolect.errors import ConfigError
from biolect.metrics import spearman
from biolect.simulate import expression


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("expression")
    expression(folder, seed=3, num_genes=300, num_families=30)
    return folder


def test_what_is_measured_is_the_rule_and_noise(folder):
    table, speeds = polars.read_csv(folder / "expression.csv"), polars.read_csv(folder / "truth.tsv", separator="\t")
    truth, code = json.loads((folder / "truth.json").read_text()), GeneticCode.by_id(1)
    speed, slow = dict(zip(speeds["codon"], speeds["speed"], strict=True)), set(speeds.filter(polars.col("is_slow") == 1)["codon"])
    parts = []
    for text in table["sequence"]:
        gene = [text[i : i + 3] for i in range(0, len(text) - 3, 3)]
        protein = code.translate("".join(gene))
        stalls = sum(a in slow and b in slow for a, b in zip(gene, gene[1:], strict=False)) / (len(gene) - 1)
        parts.append((np.mean([speed[c] for c in gene]), -stalls, protein.count(truth["residue_pair"]) / len(protein)))
    features = np.array(parts)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    said = features @ np.array(list(truth["weights"].values()))

    assert spearman(said, table["expression"]) == pytest.approx(truth["ceiling_spearman"], abs=1e-3)
    assert np.std(table["expression"].to_numpy() - said) == pytest.approx(truth["noise"], rel=0.15)


def test_the_protein_alone_says_nothing_about_speed(folder):
    speeds, code = polars.read_csv(folder / "truth.tsv", separator="\t"), GeneticCode.by_id(1)
    by_residue = (
        speeds.with_columns(residue=polars.Series([code.translate(c) for c in speeds["codon"]]))
        .group_by("residue")
        .agg(polars.col("speed").mean())
    )

    assert by_residue["speed"].abs().to_numpy().max() < 1e-4


def test_genes_are_whole_frames_of_families(folder):
    table, code = polars.read_csv(folder / "expression.csv"), GeneticCode.by_id(1)

    assert all(code.translate(text).find("*") == len(text) // 3 - 1 for text in table["sequence"])
    assert table["family"].n_unique() == 30 and len(table) == 300


def test_too_few_genes_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="num_genes = 5 must be at least 20"):
        expression(tmp_path, num_genes=5)


def test_a_seed_gives_the_same_table_in_every_process(tmp_path):
    code = "import sys; from biolect.simulate import expression; expression(sys.argv[1], seed=0, num_genes=20, num_families=5)"
    for hashing in ("1", "2"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / hashing)], env=os.environ | {"PYTHONHASHSEED": hashing}, check=True)

    assert (tmp_path / "1" / "expression.csv").read_bytes() == (tmp_path / "2" / "expression.csv").read_bytes()

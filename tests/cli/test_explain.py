"""`biolect explain`: a planted rule is found, tables add up, wrong requests are one sentence."""

from pathlib import Path

import numpy as np
import polars
import pytest

from tests.evaluate.test_fusing import gene

QUICK = ("fit.steps=150", "fit.check_steps=25", "fit.width=8", "fit.head=mlp", "fit.learning_rate=0.01")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows whose value is the share of one codon of leucine: codons know it, amino acids know a sixth of it."""
    rng = np.random.default_rng(2)
    genes = []
    for _ in range(120):
        codons = [gene(rng)[i : i + 3] for i in range(3, 93, 3)]
        genes.append("ATG" + "".join("CTG" if rng.random() < rng.uniform(0, 0.6) else codon for codon in codons) + "TAA")
    values = [[g[i : i + 3] for i in range(0, len(g), 3)].count("CTG") / (len(g) // 3) for g in genes]
    path = tmp_path_factory.mktemp("explain") / "table.csv"
    polars.DataFrame({"id": [f"g{i}" for i in range(120)], "sequence": genes, "value": values}).write_csv(path)
    return path


def test_a_planted_codon_is_ranked_first_and_shares_add_up(biolect_command, table: Path, tmp_path: Path):
    run, out = tmp_path / "run", tmp_path / "why"
    fused = biolect_command(
        *("fuse", table, "-o", run, "--target", "value", "--seeds", 1, "--fuser", "mil", "--json", *QUICK),
        *("--encoders", "rna=codon-frequency:1,protein=one-hot:protein"),
    )
    assert fused.code == 0, fused.err
    explained = biolect_command("explain", table, "-m", run, "-o", out, "--json")

    assert explained.code == 0, explained.err
    assert set(explained.result) >= {"records", "modalities", "faithfulness"} and explained.result["records"] == 120
    patterns = polars.read_csv(out / "patterns.csv").filter(polars.col("count") > 20).sort("share", descending=True)
    assert patterns["codon"][0] == "CTG"
    assert explained.result["faithfulness"]["interval"][0] > 0
    agreed = explained.result["faithfulness"]["agreement"]
    assert agreed["records"] == 16 and agreed["interval"][0] > 0.5
    exchanged = polars.read_csv(out / "modalities.csv")["permutation"].to_numpy()
    assert np.isfinite(exchanged).all() and explained.result["modalities"]["rna"]["permutation"] == pytest.approx(
        np.abs(exchanged[np.array(polars.read_csv(out / "modalities.csv")["stream"].to_list()) == "rna"]).mean()
    )
    sums = polars.read_csv(out / "modalities.csv").group_by("id", maintain_order=True).agg(polars.col("shapley").sum())
    said = polars.read_csv(run / "predictions.csv")
    arms = fused.result["arms"]
    best = max(("late", "mil", "protein", "rna"), key=lambda name: arms[name]["valid"])
    mean = said.filter(polars.col("split") == "train")["target"].mean()
    joined = said.join(sums, on="id")
    assert np.allclose(joined["shapley"] + mean, joined[best], atol=1e-3)
    page = (out / "report.html").read_text()
    assert "Can it be believed?" in page and page.count("data:image/svg") == 4


def test_a_folder_that_holds_no_fusion_is_refused(biolect_command, table: Path, tmp_path: Path):
    outcome = biolect_command("explain", table, "-m", tmp_path, "-o", tmp_path / "why")

    assert outcome.code == 2 and "holds no fused model" in outcome.err


def test_ids_keep_their_zeros_may_repeat_and_a_run_is_not_written_over(biolect_command, tmp_path: Path):
    rng, words = np.random.default_rng(3), ("train", "valid", "test", "train")
    rows = [{"id": f"00{i // 2}", "sequence": gene(rng), "value": rng.normal(), "split": words[i % 4]} for i in range(24)]
    path, run = tmp_path / "table.csv", tmp_path / "run"
    polars.DataFrame(rows).write_csv(path)
    quick = ("--seeds", 1, "fit.steps=2", "fit.check_steps=1", "fit.head=linear", "--encoders", "rna=codon-frequency:1")
    fused = biolect_command("fuse", path, "-o", run, "--target", "value", "--split", "split", "--fuser", "late", *quick)
    assert fused.code == 0, fused.err
    over = biolect_command("explain", path, "-m", run, "-o", run, "--overwrite")
    done = biolect_command("explain", path, "-m", run, "-o", tmp_path / "why", "--steps", 2, "--json")

    assert over.code == 2 and "holds a fused model" in over.err
    assert done.code == 0, done.err
    assert polars.read_csv(tmp_path / "why" / "codons.csv", schema_overrides={"id": polars.String})["id"][0] == "000"
    assert (tmp_path / "why" / "run.json").is_file()

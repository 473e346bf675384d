"""`biolect fuse` on several targets with gaps, and on numbers per nucleotide or codon: learned, judged, predicted, explained."""

import gzip
import re
from pathlib import Path

import numpy as np
import polars
import pytest

from tests.evaluate.test_fusing import gene

QUICK = ("--seeds", 1, "fit.steps=120", "fit.check_steps=30", "fit.width=8", "fit.learning_rate=0.01", "--json")
ENCODERS = ("--encoders", "rna=codon-frequency:1,protein=one-hot:protein")


pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shares of letters, each missing in every fifth row, never both; and a number per nucleotide, 1 for G and 2 for C."""
    rng = np.random.default_rng(4)
    genes = [gene(rng) for _ in range(90)]
    marks = [";".join(str({"G": 1.0, "C": 2.0}.get(letter, 0.0)) for letter in g[:45]) for g in genes]
    marks[0] = f";nan;{marks[0].split(';', 2)[2]}"
    columns = {
        "id": [f"g{i}" for i in range(90)],
        "sequence": genes,
        "gc": [None if i % 5 == 1 else sum(g.count(x) for x in "GC") / len(g) for i, g in enumerate(genes)],
        "purine": [None if i % 5 == 3 else sum(g.count(x) for x in "AG") / len(g) for i, g in enumerate(genes)],
        "marks": marks,
        "per_codon": [";".join(str(float(g[i : i + 3].count("G"))) for i in range(0, len(g), 3)) for g in genes],
        "word": ["a"] * 90,
    }
    path = tmp_path_factory.mktemp("targets") / "table.csv"
    polars.DataFrame(columns).write_csv(path)
    return path


def test_several_targets_with_gaps_are_learned_at_once(biolect_command, table: Path, tmp_path: Path):
    words = ("--target", "gc", "--target", "purine", "fit.head=linear", *ENCODERS, *QUICK)
    found = biolect_command("fuse", table, "-o", tmp_path / "run", *words)
    assert found.code == 0, found.err
    result, said = found.result, polars.read_csv(tmp_path / "run" / "predictions.csv")

    assert set(result) >= {"metric", "arms", "best_single", "gain", "baselines", "modality_weights", "targets"}
    for name in ("gc", "purine"):
        own = said.filter((polars.col("name") == name) & polars.col("target").is_not_null() & (polars.col("split") == "test"))
        row = result["targets"][name]
        rank = own["target"].rank().to_numpy(), own["mil"].rank().to_numpy()
        assert row["records"]["test"] == len(own) and sum(row["records"].values()) == 72
        assert row["arms"]["mil"]["test"] == pytest.approx(np.corrcoef(*rank)[0, 1])
        assert row["arms"]["nucleotides_ridge"]["test"] > 0.8
        assert set(row["arms"]) == set(result["arms"]) | set(result["baselines"])
    mean = np.mean([result["targets"][name]["arms"]["late"]["test"] for name in ("gc", "purine")])
    assert result["arms"]["late"]["test"] == pytest.approx(mean)
    assert "Target by target" in (tmp_path / "run" / "report.html").read_text()

    predicted = biolect_command("predict", table, "-m", tmp_path / "run", "-o", tmp_path / "p.csv", "--json")
    explained = biolect_command("explain", table, "-m", tmp_path / "run", "-o", tmp_path / "why", "--steps", 1, "--json")
    assert predicted.code == explained.code == 0, predicted.err + explained.err
    other = ("explain", table, "-m", tmp_path / "run", "--steps", 1, "--json", "--target")
    purine = biolect_command(*other, "purine", "-o", tmp_path / "purine")
    assert purine.code == 0 and (explained.result["target"], purine.result["target"]) == ("gc", "purine")
    assert purine.result["modalities"] != explained.result["modalities"]
    unknown = biolect_command(*other, "word", "-o", tmp_path / "word")
    assert unknown.code == 2 and "has no target 'word'. Pass --target with one of gc, purine." in unknown.result["error"]
    columns = polars.read_csv(tmp_path / "p.csv")
    published = said.filter(polars.col("name") == "purine")[result["published"]]
    assert columns.columns == ["id", "prediction_gc", "prediction_purine"]
    assert np.allclose(columns["prediction_purine"], published, atol=1e-3)


@pytest.mark.parametrize(("target", "task", "width", "head"), [("marks", "nucleotides", 3, "textcnn"), ("per_codon", "codons", 1, "mlp")])
def test_every_position_has_its_own_number(biolect_command, table: Path, tmp_path: Path, target, task, width, head):
    words = ("--target", target, "--task", task, f"fit.head={head}", "--fuser", "mil", *ENCODERS, *QUICK)
    found = biolect_command("fuse", table, "-o", tmp_path / "run", *words)
    assert found.code == 0, found.err
    said = polars.read_csv(tmp_path / "run" / "predictions.csv")
    genes = polars.read_csv(table)["sequence"].to_list()

    assert len(said) == sum(width * (len(g) // 3 - 1) for g in genes)
    assert said["position"][: width * (len(genes[0]) // 3 - 1)].to_list() == list(range(1, width * (len(genes[0]) // 3 - 1) + 1))
    if width == 3:
        assert said["target"][:4].to_list() == [None, None, 1.0, {"G": 1.0, "C": 2.0}.get(genes[0][3], 0.0)]
        assert said.filter(polars.col("position") > 45)["target"].is_null().all()
    assert found.result["arms"]["rna"]["test"] > 0.9 > found.result["baselines"]["place_mean"]["value"]
    assert found.result["arms"]["rna"]["interval"][0] > found.result["arms"]["protein"]["test"] - 0.05

    predicted = biolect_command("predict", table, "-m", tmp_path / "run", "-o", tmp_path / "p.csv", "--json")
    explained = biolect_command("explain", table, "-m", tmp_path / "run", "-o", tmp_path / "why", "--steps", 1, "--json")
    assert predicted.code == explained.code == 0, predicted.err + explained.err
    lists = [[float(n) for n in text.split(";")] for text in polars.read_csv(tmp_path / "p.csv")["prediction"]]
    assert [len(own) for own in lists] == [width * (len(g) // 3 - 1) for g in genes]
    assert np.allclose(np.concatenate(lists), said[found.result["published"]], atol=1e-3)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--target", "gc", "--target", "gc"], 2, "The target 'gc' is named twice"),
        (["--target", "gc", "--target", "word"], 2, "Column 'word' of .* is 'a' everywhere"),
        (["--target", "gc", "--target", "id"], 2, "Column 'id' of .* has 'g0' in row 1, which is no finite number"),
        (["--target", "gc", "--target", "purine", "--task", "classification"], 2, "Several targets at once are numbers, one per sequence"),
        (["--target", "marks"], 2, "holds lists. biolect fuse learns such with --task nucleotides or --task codons"),
        (["--target", "marks", "--task", "codons"], 2, "Not one of the 90 rows .* has 45 numbers for"),
        (["--target", "word", "--task", "codons"], 2, "has 'a' in its list, which is no number"),
        (["--target", "marks", "--task", "nucleotides", "fit.head=attention_pool"], 2, "attention_pool has one answer per sequence"),
    ],
)
def test_wrong_targets_are_one_sentence(biolect_command, table: Path, tmp_path: Path, words, code, message):
    outcome = biolect_command("fuse", table, "-o", tmp_path / "run", *words)

    assert outcome.code == code and re.search(message, outcome.err), outcome.err
    assert not (tmp_path / "run").exists()


def test_one_target_alone_is_finetuned(biolect_command, table: Path, tmp_path: Path):
    outcome = biolect_command("finetune", table, "-m", "none", "-o", tmp_path, "--target", "gc", "columns.also=[purine]")

    assert outcome.code == 2 and "Finetuning learns one target of whole sequences" in outcome.err


def test_degradation_measured_nucleotide_by_nucleotide_is_learned(biolect_command, data_folder: Path, tmp_path: Path):
    with gzip.open(data_folder / "mrna" / "openvaccine_degradation_3634.csv.gz") as stream:
        frame = polars.read_csv(stream.read(), infer_schema_length=None).filter(polars.col("seq_length") == 107).head(60)
    # The core begins behind GGAAA; its own stretch of the list is what was measured there.
    lists = frame["deg_Mg_50C"].str.split(";").list.slice(5).list.join(";")
    frame.select("id", "core", lists.alias("deg")).write_csv(tmp_path / "t.csv")
    words = ("--sequence", "core", "--target", "deg", "--task", "nucleotides", "--fuser", "concatenation", *ENCODERS, *QUICK)

    found = biolect_command("fuse", tmp_path / "t.csv", "-o", tmp_path / "run", *words)

    assert found.code == 0, found.err
    said = polars.read_csv(tmp_path / "run" / "predictions.csv")
    assert said["target"].is_not_null().sum() == 60 * 63 and said.filter(polars.col("position") > 63)["target"].is_null().all()
    assert found.result["baselines"]["letters_mean"]["value"] > 0.2

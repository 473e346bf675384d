"""`biolect fuse`: the keys that scripts read, the page for readers, refusals in a sentence."""

import re
from pathlib import Path

import numpy as np
import polars
import pytest

from tests.evaluate.test_fusing import gene

QUICK = ("fit.steps=20", "fit.check_steps=10", "fit.width=4", "fit.head=mlp")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    genes = [gene(rng) for _ in range(60)]
    rows = [{"id": f"g{i}", "cds": g, "value": g.count("G") / len(g), "same": 1} for i, g in enumerate(genes)]
    rows += [{"id": "empty", "cds": "TAA", "value": 0.5, "same": 1}]
    path = tmp_path_factory.mktemp("fuse") / "table.csv"
    polars.DataFrame(rows).write_csv(path)
    return path


def test_a_table_is_fused_reported_and_another_predicted(biolect_command, table: Path, tmp_path: Path):
    run = tmp_path / "run"
    words = ["fuse", table, "-o", run, "--sequence", "cds", "--target", "value", "--seeds", 2, "--json", *QUICK]
    words += ["--encoders", "rna=codon-frequency:1,protein=one-hot:protein"]

    fused = biolect_command(*words)
    predicted = biolect_command("predict", table, "-m", run, "-o", tmp_path / "p.csv", "--sequence", "cds", "--json")

    assert fused.code == predicted.code == 1, fused.err + predicted.err
    assert set(fused.result) >= {"metric", "arms", "best_single", "gain", "baselines", "modality_weights"}
    assert set(fused.result["arms"]["mil"]) >= {"valid", "test", "interval", "seeds"}
    assert set(fused.result["gain"]) == {"arm", "difference", "interval"}
    assert [one["id"] for one in fused.result["refused"]] == ["empty"]
    assert fused.result["funnel"] == {"raw": 61, "used": 60, "refused": 1}
    page = (run / "report.html").read_text()
    assert "What fusion adds" in page and page.count("data:image/svg") == 5
    assert predicted.result["records"] == 60
    table_of = polars.read_csv(tmp_path / "p.csv")
    assert table_of.columns == ["id", "prediction"] and table_of["prediction"].is_finite().all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--encoders", "rna"], "--encoders has 'rna', which is not stream=address"),
        (["--encoders", "rna=one-hot:protein"], "This encoder reads protein, not rna"),
        (["--target", "same"], "Column 'same' of .* is '1' everywhere"),
        (["--split", "id"], "Column 'id' of .* has 'g0', which is no split"),
        (["fit.stepz=3"], "Did you mean 'fit.steps'|Did you mean 'steps'"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_leaves_nothing(biolect_command, table: Path, tmp_path: Path, words, message):
    target = [] if "--target" in words else ["--target", "value"]

    outcome = biolect_command("fuse", table, "-o", tmp_path / "run", "--sequence", "cds", *target, *words)

    assert outcome.code == 2 and re.search(message, outcome.err), outcome.err
    assert not (tmp_path / "run").exists()

"""Cross-validation of a fusion: every record is predicted by models that saw no relative of it, and all are judged together."""

from pathlib import Path

import numpy as np
import polars
import pytest

from biolect.data.labelled import Labelled
from biolect.data.targets import Columns
from biolect.errors import ConfigError, InputError
from biolect.evaluate import fusing
from biolect.evaluate.arms import FusionConfig
from biolect.evaluate.comparison import Said, pooled_folds
from biolect.metrics import spearman
from biolect.train.fusing import Fit
from tests.evaluate.test_fusing import gene

QUICK = Fit(width=4, gate_width=4, head="linear", steps=20, check_steps=10)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty genes, and each of them again with two codons changed: a cluster of two."""
    rng = np.random.default_rng(6)
    genes = [gene(rng) for _ in range(30)]
    genes += [f"{g[:30]}GCCGCC{g[36:]}" for g in genes]
    path = tmp_path_factory.mktemp("folds") / "table.csv"
    polars.DataFrame({"id": range(60), "sequence": genes, "value": [g.count("G") / len(g) for g in genes]}).write_csv(path)
    return path


def config(table: Path, **changes: object) -> FusionConfig:
    encoders = {"rna": "codon-frequency:1", "protein": "one-hot:protein"}
    asked = {"data": str(table), "columns": {"target": "value"}, "fit": QUICK.to_dict(), "seeds": 1, "fuser": "mil", "encoders": encoders}
    return FusionConfig.from_dict(asked | changes)


def test_every_record_is_judged_once_in_every_repeat_and_relatives_stay_together(table: Path, tmp_path: Path, monkeypatch):
    made = fusing.Baselines
    monkeypatch.setattr(fusing, "Baselines", lambda *words, **named: made(*words, **named, trees=3))
    asked = config(table, folds=3, repeats=2)

    found = fusing.fuse(asked, tmp_path / "run")

    said = polars.read_csv(tmp_path / "run" / "predictions.csv")
    assert found["arms"]["mil"]["seeds"] == 2
    assert found["cross_validation"] == {"folds": 3, "repeats": 2} and set(said["split"]) == {"test"} and len(said) == 60
    for arm in ("mil", "late", "ridge on means, rna"):
        low, high = found["arms"][arm]["interval"]
        assert low <= found["arms"][arm]["test"] <= high
    assert np.isfinite([one["value"] for name, one in found["baselines"].items() if name != "lookup"]).all()
    folds = sorted((tmp_path / "run" / "folds").iterdir())
    assert [one.name for one in folds] == ["1-2", "1-3", "2-1", "2-2", "2-3"] and all((one / "arms" / "mil").is_dir() for one in folds)
    assert (tmp_path / "run" / "fused.yaml").is_file()
    assert found["leakage"]["clusters_in_several_splits"] == 0


def test_pooling_takes_from_each_fold_its_own_test_records():
    clusters, truth = np.arange(6), np.arange(6.0)[:, None]
    every = []
    for fold in range(4):
        splits = np.zeros(6, np.uint8)
        splits[3 * (fold % 2) : 3 * (fold % 2) + 3] = 2
        said = np.where(splits == 2, truth[:, 0] * (1 if fold < 2 else -1), 99.0)[None, :, None]
        data = Labelled((), truth, (), splits, clusters.astype(np.int32), (), 0)
        every.append((data, Said({"arm": said}, valid={"arm": float(fold)}, best_single="arm")))

    data, said = pooled_folds(every, folds=2)

    assert data.of("test").tolist() == list(range(6)) and said.valid == {"arm": 1.5}
    assert [spearman(one[:, 0], truth[:, 0]) for one in said.predictions["arm"]] == [pytest.approx(1), pytest.approx(-1)]


def test_an_arm_without_a_value_is_never_the_one_that_validation_likes_best():
    said = Said(valid={"silent": float("nan"), "worst": -0.9, "better": -0.2})

    assert said.best(said.valid) == "better" and said.best(["silent", "worst"]) == "worst"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": 2}, "folds = 2 leaves nothing to train on"),
        ({"repeats": 2}, "repeats = 2 draws folds anew, and there are none"),
        ({"folds": 3, "columns": {"target": "value", "split": "part"}}, "column 'part' would go unread"),
    ],
)
def test_folds_that_make_no_sense_are_refused(table: Path, changes, message):
    with pytest.raises(ConfigError, match=message):
        config(table, **changes)


def test_more_folds_than_clusters_are_refused_in_a_sentence(table: Path, tmp_path: Path):
    with pytest.raises(InputError, match="has 30 clusters of relatives, too few for 40 folds. Take fewer"):
        fusing.fuse(config(table, folds=40), tmp_path / "run")


def test_columns_say_all_their_targets():
    assert Columns(target="a", also=("b",)).targets == ("a", "b")

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biolect.bio.sequence import Modality
from biolect.data.document import View
from biolect.data.shards import MemberStore, MemberWriter
from biolect.data.sources import Source
from biolect.errors import ConfigError
from biolect.tokens.vocabulary import Vocabulary
from biolect.train import components
from biolect.train.components import Pool, answers, limited, shares
from tests.train.toy import NUM_GENES, ToyCorpus, toy_config

VOCABULARY = Vocabulary.joint()


class Items(Source):
    """A source of nothing but a length."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def document(self, item: int, *rest: Any) -> Any:
        return item


def _pools(**counts: int) -> dict[str, Pool]:
    return {name.replace("__", ":").replace("_", "."): Pool(Items(count), 10.0) for name, count in counts.items()}


@pytest.mark.parametrize(
    ("key", "name", "expected"),
    [
        ("single", "main:single.dna", True),
        ("single.dna", "main:single.dna", True),
        ("single.rna", "main:single.dna", False),
        ("genes", "main:genes", True),
        ("main:genes", "main:genes", True),
        ("other:genes", "main:genes", False),
    ],
)
def test_a_key_of_a_mixture_means_components_modalities_or_corpora(key: str, name: str, expected: bool):
    assert answers(key, name) is expected


def test_single_divides_its_tokens_by_modality_and_not_by_size():
    found = _pools(main__single_dna=900, main__single_protein=100)

    parts = shares({"single": 1.0}, found, {"dna": 0.35, "rna": 0.15, "protein": 0.5})

    assert parts == pytest.approx({"main:single.dna": 0.35 / 0.85, "main:single.protein": 0.5 / 0.85})


def test_two_corpora_share_a_component_by_their_sizes():
    found = _pools(a__genes=30, b__genes=10)

    assert shares({"genes": 2.0}, found, {}) == pytest.approx({"a:genes": 0.75, "b:genes": 0.25})


def test_a_component_that_no_corpus_has_is_refused_with_what_there_is():
    with pytest.raises(ConfigError, match="draws on 'interleaved', of which the corpora have nothing .* They have: genes"):
        shares({"genes": 1.0, "interleaved": 1.0}, _pools(a__genes=30), {})


def test_sources_shrink_to_the_unique_tokens_of_the_run():
    found = limited(_pools(a__genes=30, b__genes=10, a__related=7), {"genes": 200})

    assert {name: len(pool.source) for name, pool in found.items()} == {"a:genes": 15, "b:genes": 5, "a:related": 7}


def test_a_subset_is_spread_over_the_whole_source():
    subset: Any = components.Subset(Items(10), 4)

    assert [subset.document(i, None, 0, None) for i in range(4)] == [0, 2, 5, 7]


def test_modalities_without_records_are_read_off_the_genes(corpus: ToyCorpus):
    config = toy_config()

    found = components.pools(config, {"main": corpus.collections}, "train")

    assert set(found) == {"main:single.dna", "main:single.protein", "main:genes", "main:related", "main:interleaved"}


def test_a_model_of_one_modality_is_given_nothing_else(corpus_folder: Path):
    config = toy_config(grammar={"tags": False, "positions": "ordinary"}, reverse_complement=0.0)
    corpus = ToyCorpus(corpus_folder, "dna-12")

    found = components.pools(config, {"main": corpus.collections}, "train")

    assert set(found) == {"main:single.dna"}
    document = found["main:single.dna"].source.document(0, np.random.default_rng(0), 100, config.grammar)
    letters = Vocabulary.named("dna-12").decode(document.members[0].token_ids, Modality.DNA)
    frames = [{letters[i : i + 3] for i in range(first, len(letters) - 2, 3)} for first in range(3)]
    assert any(codons <= {"GCA", "TGC", "GAC"} for codons in frames)


def test_validation_reads_every_item_once_with_and_without_coordinates(corpus: ToyCorpus):
    batches = components.valid_batches(toy_config(valid_tokens=10**6), {"main": corpus.collections}, VOCABULARY, num_rows=4)

    segments = {name: sum(int(b.segment_ids.max(dim=1).values.sum()) for b in group) for name, group in batches.items()}
    proteins = NUM_GENES // 5
    assert segments["genes"] == segments["genes_ordinary"] == segments["related"] == segments["interleaved"] == proteins
    assert segments["single"] >= 2 * proteins
    assert all(np.array_equal(b.positions[0, :2], [0, 1]) for b in batches["genes_ordinary"])


def test_a_molecule_too_long_for_a_row_of_validation_is_left_out(tmp_path):
    vocabulary = Vocabulary.named("smiles-176")
    with MemberWriter(tmp_path / "molecules", vocabulary) as writer:
        for length in (5, 90):
            writer.begin_group(f"m{length}", split="valid", cluster=length)
            writer.add(np.full(length, vocabulary.id_of("C"), dtype=np.uint8), Modality.MOLECULE, View.RECORD)
    config = toy_config(
        model={"vocabulary": "smiles-176", "backbone": {"kind": "xlstm", "layers": 1, "width": 32, "heads": 2, "pattern": "m"}},
        grammar={"tags": False, "positions": "ordinary"},
        phases=[{"name": "R", "mixture": {"single": 1.0}, "tokens": 500, "learning_rate": [0.1, 0.1], "context_tokens": 128}],
        context_tokens=64,
    )
    stores = {"molecules": MemberStore.open(tmp_path / "molecules", vocabulary)}

    (batch,) = components.valid_batches(config, {"main": stores}, vocabulary, num_rows=4)["single"]

    assert int((batch.segment_ids > 0).any(dim=1).sum()) == 1


def test_a_run_without_corpora_says_how_to_name_one(tmp_path):
    with pytest.raises(ConfigError, match="needs a corpus. .* corpora.folders.main=FOLDER"):
        config = toy_config(corpora={"kind": "folders"})
        components.run_corpora(config, tmp_path, VOCABULARY, allow_leakage=False)

"""Recipes of molecules: sizes as published, and a run from simulated domains to molecules that can exist."""

import pytest

from biolect.models.language_model import LanguageModel
from biolect.recipes import named
from biolect.recipes.chem_xlstm import MOLECULE_TOKENS


@pytest.mark.parametrize("name", ["chem-xlstm-15m", "chem-xlstm-15m-context"])
def test_the_published_size_has_about_fifteen_million_weights(name):
    import torch

    with torch.device("meta"):
        model = LanguageModel(named(name).model)

    # 14.82 million with 37 tokens and 14.98 with 200 are published; each token costs two vectors of 512.
    assert model.num_parameters == pytest.approx(14.82e6 + (176 - 37) * 2 * 512, rel=2e-3)


def test_batches_and_warm_ups_are_those_of_the_paper():
    alone, joined = named("chem-xlstm-15m"), named("chem-xlstm-15m-context")

    assert (alone.context_tokens, joined.context_tokens) == (100, 2_048)
    assert alone.batch_tokens / MOLECULE_TOKENS == pytest.approx(1_024, rel=0.1)
    assert alone.phases[0].warmup_tokens == 4_000 * 1_024 * MOLECULE_TOKENS
    assert (joined.batch_tokens // joined.context_tokens, joined.accumulation) == (32, 4)
    assert {run.optimizer.weight_decay for run in (alone, joined)} == {0.0} and not alone.grammar.tags


@pytest.mark.slow
def test_the_tiny_run_learns_to_write_molecules(biolect_command, tmp_path):
    pytest.importorskip("rdkit")
    words = ["--modality", "molecule", "--count", 100, "--max-residues", 80, "--json"]

    outcome = biolect_command("pretrain", "chem-xlstm-tiny", "-o", tmp_path / "run", "--json")
    made = biolect_command("generate", "-m", tmp_path / "run", "-o", tmp_path / "new.smi", *words)

    assert outcome.result["bits_per_residue"]["molecule"]["valid"] < 0.9
    assert made.result["quality"]["validity"] > 0.5 and made.result["quality"]["novelty"] > 0.5

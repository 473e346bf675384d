"""Prot-xLSTM: published sizes, a context that grows, and a tiny run that can be asked."""

from pathlib import Path

import pytest
import torch

from biolect.errors import ConfigError
from biolect.models.language_model import LanguageModel
from biolect.objectives.causal import Causal
from biolect.recipes.dna_xlstm import dna_xlstm_tiny
from biolect.recipes.prot_xlstm import prot_xlstm, prot_xlstm_tiny
from tests.train.toy import component_tokens


@pytest.mark.parametrize(("size", "millions"), [("26m", 25.9), ("102m", 102.2)])
def test_sizes_have_the_published_parameters(size: str, millions: float):
    with torch.device("meta"):
        model = LanguageModel(prot_xlstm(size).model)

    assert model.num_parameters / 1e6 == pytest.approx(millions, abs=0.05)


def test_the_context_grows_as_published():
    small, large = (prot_xlstm(size) for size in ("26m", "102m"))

    assert [phase.context_tokens for phase in small.phases] == [1 << 11, 1 << 17]
    assert [phase.context_tokens for phase in large.phases] == [1 << power for power in range(11, 19)]
    assert (small.total_tokens, large.total_tokens) == (30_000_000_000, 115_900_000_000)
    assert large.phases[1].tokens == 5_900_000_000
    assert large.reading_facts["context_tokens"] == 1 << 18


def test_an_unknown_size_is_refused():
    with pytest.raises(ConfigError, match="There is no XLSTM size 'prot-1b'"):
        prot_xlstm("1b")


def test_a_tiny_run_reads_families_and_fills_holes(biolect_command, tmp_path: Path):
    run, family = tmp_path / "run", tmp_path / "run" / "simulated" / "family_001.a3m"

    outcome = biolect_command("pretrain", "prot-xlstm-tiny", "-o", run, "--tokens", 8_000, "--quiet", "--json")
    filled = biolect_command("generate", "-m", run, "-o", tmp_path / "a.fa", "--infill", "MKT[4]AY", "--context", family, "--json")

    assert outcome.code == 0, outcome.err
    assert outcome.result["bits_per_residue"]["protein"]["valid"] < 6
    assert len(outcome.result["by_member"]["families"]["protein"]) == 3
    assert set(component_tokens(prot_xlstm_tiny())) == {"families"}
    assert filled.code == 0, filled.err
    assert filled.result["context"]["sampled_from"] == 24 and filled.result["context"]["records"] > 3


def test_holes_in_what_is_never_read_are_refused_and_leave_nothing(biolect_command, tmp_path: Path):
    outcome = biolect_command("pretrain", "prot-xlstm-tiny", "-o", tmp_path / "run", "--tokens", 8_000, "objective.modalities=[dna]")

    assert outcome.code == 2
    assert (
        "objective.modalities = [dna] says what holes are taken out of, but phase 'context 256' reads protein only. "
        "Set objective.modalities=[protein], or objective.kind=causal." in outcome.err.replace("\n", " ")
    )
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_another_objective_begins_with_its_own_settings():
    assert prot_xlstm_tiny().override(["objective.kind=causal"]).objective == Causal.Config()
    with pytest.raises(ConfigError, match=r"^Unknown key 'objective.mean_holes'. Known keys: kind.$"):
        prot_xlstm_tiny().override(["objective.kind=causal", "objective.mean_holes=2"])
    with pytest.raises(
        ConfigError, match=r"^objective.kind = causal says the next token, which model.backbone.direction = bidirectional shows"
    ):
        dna_xlstm_tiny().override(["objective.kind=causal"])

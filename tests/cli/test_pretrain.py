import json

import pytest


def test_a_dry_run_says_what_would_be_run(biolect_command, tmp_path):
    outcome = biolect_command("pretrain", "bsm-tiny", "-o", tmp_path / "run", "seed=7", "--tokens", 1_000, "--dry-run", "--json")

    assert outcome.code == 0
    assert outcome.result["would_run"]["seed"] == 7
    assert sum(phase["tokens"] for phase in outcome.result["would_run"]["phases"]) == pytest.approx(1_000, abs=3)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("bsm-tny",), "Did you mean 'bsm-tiny'?"),
        (("bsm-tiny", "phases.0.tokns=3"), "Unknown key 'phases.0.tokns'. Did you mean 'tokens'?"),
        (("bsm-nano",), "needs a corpus"),
        (("bsm-tiny", "seed=-1"), "seed = -1"),
        (("bsm-tiny", "--device", "cuda"), "not available here"),
    ],
)
def test_a_wrong_request_is_refused_in_one_message(biolect_command, tmp_path, words, message: str):
    outcome = biolect_command("pretrain", *words, "-o", tmp_path / "run", "--quiet")

    assert outcome.code == 2
    assert message in outcome.err


def test_the_report_has_the_keys_of_the_contract(biolect_command, tmp_path, monkeypatch):
    from biolect.train import pretrain

    report = {"model": "m", "tokens": 1, "steps": 1, "bits_per_residue": {}, "tokens_per_second": 1.0}
    monkeypatch.setattr(pretrain, "pretrain", lambda config, output, **flags: {**report, "flags": sorted(flags)})

    outcome = biolect_command("pretrain", "bsm-tiny", "-o", tmp_path / "run", "--json")

    assert outcome.code == 0
    assert json.loads(outcome.out).keys() >= report.keys()


def test_a_refused_run_leaves_nothing_behind(biolect_command, tmp_path):
    run = tmp_path / "run"

    outcome = biolect_command("pretrain", "bsm-tiny", "phases.0.mixture={families: 1}", "-o", run, "--quiet", "--tokens", "600")

    assert outcome.code == 2
    assert "of which the corpora have nothing to train on" in outcome.err and "for example 'phases.0.mixture={genes: 1}'" in outcome.err
    assert not (run / "config.yaml").exists()
    assert biolect_command("pretrain", "bsm-nano", "-o", tmp_path / "other", "--quiet").code == 2
    assert not (tmp_path / "other").exists()

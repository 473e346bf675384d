"""Loss curves: twenty steps of a tiny run in float64 on one CPU thread, one loss a line at full precision. Nats per token."""

import pytest
import torch

from biolect.recipes.bsm import bsm_tiny
from biolect.train.log import MetricsLog
from biolect.train.pretrain import pretrain

STEPS = 20
RELATIVE = 1e-9


BACKBONES = {
    "mixed_tiny": [],
    # Short rows: an sLSTM reads them one place after the other.
    "mixed_tiny_xlstm": [
        "model.backbone={kind: xlstm, layers: 2, width: 32, heads: 2, pattern: ms, inner: 40, rotary: per_head}",
        "context_tokens=128",
        "batch_tokens=2048",
    ],
}


@pytest.mark.parametrize("name", BACKBONES)
def test_the_first_twenty_steps_of_a_mixed_run_are_what_they_were(golden, tmp_path, name: str):
    # Small budgets make the twenty steps pass through all three rounds.
    settings = ["dtype=float64", "log_steps=1", "evaluate_tokens=100000000", *BACKBONES[name]]
    config = bsm_tiny().scaled(80_000).override(settings)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    pretrain(config, tmp_path / "run", device="cpu", stop_after_steps=STEPS)

    torch.set_num_threads(threads)
    losses = [line["loss"] for line in MetricsLog(tmp_path / "run" / "metrics.jsonl").read("train")]
    assert len(losses) == STEPS
    expected = golden(f"losses/{name}.txt", "".join(f"{loss!r}\n" for loss in losses))
    assert losses == pytest.approx([float(line) for line in expected.split()], rel=RELATIVE)

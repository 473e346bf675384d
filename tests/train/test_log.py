import math

import pytest
import torch

from biolect.bio.sequence import Modality
from biolect.tokens.vocabulary import SPECIAL_INDEX
from biolect.train.log import Losses, LossTable, MetricsLog
from biolect.values import Batch

BIT = math.log(2)


def _batch(weights: list[float], members: list[int], modalities: list[int]) -> Batch:
    empty = torch.zeros(1, len(weights), dtype=torch.long)
    ids = [torch.tensor([values]) for values in (members, modalities)]
    return Batch(empty, empty, torch.tensor([weights], dtype=torch.float32), empty, empty, *ids)


def test_losses_are_told_apart_by_modality_and_place_and_special_tokens_count_in_neither():
    dna, protein = Modality.DNA.index, Modality.PROTEIN.index
    table = LossTable(torch.device("cpu"))
    batch = _batch([1, 1, 1, 1, 0], [0, 0, 1, 3, 0], [SPECIAL_INDEX, dna, protein, protein, dna])

    table.add(torch.tensor([[9.0, 2 * BIT, 4 * BIT, 1 * BIT, 99.0]]), batch)
    losses = Losses(table.sums)

    assert losses.by_modality == pytest.approx({"dna": 2.0, "protein": 2.5})
    assert losses.by_member == {"dna": [pytest.approx(2), None, None], "protein": [None, pytest.approx(4), pytest.approx(1)]}
    assert losses.per_token == pytest.approx((9 + 7 * BIT) / 4)


def test_a_table_is_restored_bit_for_bit():
    table, other = LossTable(torch.device("cpu")), LossTable(torch.device("cpu"))
    table.add(torch.rand(1, 3), _batch([1, 1, 1], [0, 1, 2], [0, 1, 2]))

    other.restore(table.sums.tolist())

    assert torch.equal(table.sums, other.sums)


def test_opening_at_a_step_drops_younger_lines_and_a_half_one(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    for step in (1, 2, 3):
        log.write("train", step=step)
    with open(log.path, "a") as stream:
        stream.write('{"kind": "tra')

    log.open_at(2)

    assert [line["step"] for line in log.read()] == [1, 2]
    assert log.path.read_text().endswith("}\n")


def test_lines_are_read_by_kind(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.write("train", step=1)
    log.write("valid", step=1)

    assert [line["kind"] for line in log.read("valid")] == ["valid"]

"""Where a state is emptied."""

import torch

from biolect.ops.segments import segment_starts


def test_a_start_is_a_real_position_whose_last_real_one_had_another_id():
    starts, is_real = segment_starts(torch.tensor([[1, 1, 2, 0, 2, 0, 0, 3], [0, 5, 5, 0, 1, 2, 2, 0], [0, 0, 0, 0, 0, 0, 0, 0]]))

    assert starts.int().tolist() == [[0, 0, 1, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 1, 0, 0], [0] * 8]
    assert is_real.int().tolist() == [[1, 1, 1, 0, 1, 0, 0, 1], [0, 1, 1, 0, 1, 1, 1, 0], [0] * 8]
    assert [x.shape for x in segment_starts(torch.zeros(2, 0, dtype=torch.long))] == [(2, 0), (2, 0)]

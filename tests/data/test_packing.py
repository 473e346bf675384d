"""Packing: whole segments into rows, written out as arrays."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, strategies as st

from biolect.data.packing import Rows, length_batches, pack, windows
from biolect.tokens.vocabulary import SPECIAL_INDEX
from biolect.values import Segment

PAD = 0
S = SPECIAL_INDEX


def segment(length: int, first: int = 10) -> Segment:
    places = np.arange(length)
    return Segment(
        token_ids=(first + places).astype(np.uint8),
        targets=(first + 1 + places).astype(np.uint8),
        loss_weights=np.ones(length, dtype=np.float32),
        positions=(places - 2).astype(np.int32),
        member_ids=(places % 2).astype(np.int32),
        modality_ids=np.full(length, 1, dtype=np.uint8),
    )


def test_three_segments_in_two_rows() -> None:
    batch, used = pack([segment(3, 10), segment(4, 20), segment(2, 30)], num_rows=2, context_tokens=5, pad=PAD)

    assert used == 3
    assert batch.token_ids.tolist() == [[10, 11, 12, 30, 31], [20, 21, 22, 23, 0]]
    assert batch.targets.tolist() == [[11, 12, 13, 31, 32], [21, 22, 23, 24, 0]]
    assert batch.segment_ids.tolist() == [[1, 1, 1, 2, 2], [1, 1, 1, 1, 0]]
    assert batch.positions.tolist() == [[-2, -1, 0, -2, -1], [-2, -1, 0, 1, 0]]
    assert batch.loss_weights.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
    assert batch.member_ids.tolist() == [[0, 1, 0, 0, 1], [0, 1, 0, 1, 0]]
    assert batch.modality_ids.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, S]]
    assert batch.num_tokens == 9
    assert batch.attended_mask.tolist() == [[True] * 5, [True] * 4 + [False]]
    assert {f: getattr(batch, f).dtype for f in ("token_ids", "loss_weights")} == {"token_ids": torch.int64, "loss_weights": torch.float32}


def test_a_segment_goes_where_it_leaves_the_least_room() -> None:
    rows = Rows(3, 7)
    for length in (4, 5):
        rows.add(segment(length))
    assert rows.room.tolist() == [3, 2, 7]

    assert rows.add(segment(2))

    assert rows.room.tolist() == [3, 0, 7]


def test_packing_ends_at_the_first_segment_that_fits_nowhere() -> None:
    batch, used = pack([segment(4), segment(3), segment(1)], num_rows=1, context_tokens=5, pad=PAD)

    assert used == 1 and batch.num_tokens == 4


def test_rows_may_stay_empty() -> None:
    batch, used = pack([segment(2)], num_rows=2, context_tokens=3, pad=PAD)

    assert used == 1
    assert batch.segment_ids.tolist() == [[1, 1, 0], [0, 0, 0]]


@given(st.lists(st.integers(1, 13), max_size=12), st.integers(1, 5), st.integers(13, 31))
def test_every_packed_segment_is_found_again_whole(lengths: list[int], num_rows: int, context: int) -> None:
    segments = [segment(n, first=10 + 3 * i) for i, n in enumerate(lengths)]

    batch, used = pack(segments, num_rows, context, PAD)

    found = []
    for row in range(num_rows):
        ids = batch.segment_ids[row]
        numbers = [n for n in ids.unique().tolist() if n]
        assert numbers == list(range(1, len(numbers) + 1))
        found += [batch.token_ids[row][ids == n].tolist() for n in numbers]
        # Padding is on the right and counts nothing.
        assert (ids == 0).tolist() == sorted((ids == 0).tolist())
        assert batch.loss_weights[row][ids == 0].sum() == 0
    assert sorted(found) == sorted(s.token_ids.tolist() for s in segments[:used])
    assert batch.num_tokens == sum(lengths[:used])


def test_rows_and_devices_of_a_batch() -> None:
    batch, _ = pack([segment(3), segment(2)], num_rows=2, context_tokens=3, pad=PAD)

    assert batch.rows(1, 2).token_ids.tolist() == [[10, 11, 0]]
    assert batch.to("meta").positions.device.type == "meta"
    assert len(segment(5)) == 5


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 900))
def test_batches_of_like_lengths_hold_every_item_once_within_their_budget(lengths: list[int], batch_tokens: int) -> None:
    batches = [batch.tolist() for batch in length_batches(lengths, batch_tokens)]

    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        sizes = [lengths[index] for index in batch]
        assert len(batch) == 1 or max(sizes) * len(batch) <= batch_tokens
        assert min(sizes) >= max(sizes) * 7 // 8 - 8


def test_the_longest_come_first_and_equals_keep_their_order() -> None:
    assert [batch.tolist() for batch in length_batches([5, 100, 5, 99, 5], 200)] == [[1, 3], [0, 2, 4]]


@given(st.integers(0, 200), st.integers(1, 50))
def test_windows_cover_every_residue_once(length: int, room: int) -> None:
    found = list(windows(length, room))

    asked = [place for window in found for place in range(window.first, window.last)]
    assert asked == list(range(length))
    assert all(start <= first and last == stop and stop - start <= room for start, stop, first, last in found)


def test_windows_overlap_by_half() -> None:
    assert list(windows(50, 20)) == [(0, 20, 0, 20), (10, 30, 20, 30), (20, 40, 30, 40), (30, 50, 40, 50)]
    assert list(windows(50, None)) == [(0, 50, 0, 50)]


@given(st.integers(0, 200), st.integers(1, 50))
def test_windows_for_both_sides_ask_where_a_residue_stands_furthest_inside(length: int, room: int) -> None:
    found = list(windows(length, room, both_sides=True))

    assert [place for window in found for place in range(window.first, window.last)] == list(range(length))
    assert all(window.stop - window.start == min(room, length) for window in found)
    for window in found:
        for place in range(window.first, window.last):
            inside = [min(place - w.start, w.stop - 1 - place) for w in found]
            assert min(place - window.start, window.stop - 1 - place) >= max(inside) - 1 or length <= room

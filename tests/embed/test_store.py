from pathlib import Path

import numpy as np
import polars
import pytest

from biolect.bio.io import Refusal
from biolect.bio.sequence import Modality, Sequence
from biolect.embed import store as module
from biolect.embed.encoder import Choice
from biolect.embed.native import NativeEncoder
from biolect.embed.store import EmbeddingStore, embed, sequence_digest
from biolect.errors import CheckpointError, InputError
from tests.infer.conftest import build, dna, protein

MODEL = build()
RECORDS = [protein(5, 1, "a"), dna(9, 2, "b"), protein(5, 1, "again"), Refusal("bad", "x:4", "Wrong."), protein(12, 3, "a")]


def test_vectors_leave_in_the_order_of_the_input_with_duplicates(tmp_path: Path):
    encoder = NativeEncoder(MODEL)

    done = embed(encoder, RECORDS, tmp_path / "out.parquet")

    frame = polars.read_parquet(tmp_path / "out.parquet")
    kept = [record for record in RECORDS if isinstance(record, Sequence)]
    assert frame["id"].to_list() == ["a", "b", "again", "a"]
    assert frame["sequence_sha256"].to_list() == [sequence_digest(record) for record in kept]
    assert np.allclose(np.stack(frame["vector"].to_list()), np.concatenate([e.vectors for e in encoder.encode(kept)]), atol=1e-5)
    assert done.refused == [RECORDS[3]]
    assert done.num_computed == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.parquet"]


def test_vectors_of_places_leave_as_shards_with_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SHARD_RESIDUES", 6)
    proteins = [record for record in RECORDS if isinstance(record, Sequence) and record.modality is Modality.PROTEIN]
    encoder = NativeEncoder(MODEL, Choice(axis="residue"))

    embed(encoder, proteins, tmp_path / "out")

    index = polars.read_parquet(tmp_path / "out" / "index.parquet")
    assert index["id"].to_list() == ["a", "again", "a"]
    assert index["length"].to_list() == [5, 5, 12]
    assert index["shard"].n_unique() == 1 or index["shard"].to_list()[0] == index["shard"].to_list()[1]
    opened = EmbeddingStore(tmp_path / "out", encoder)
    for row, record in zip(index.iter_rows(named=True), proteins, strict=True):
        assert np.allclose(opened[row["sequence_sha256"]], encoder.encode([record])[0].vectors, atol=1e-5)


def test_a_broken_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SHARD_RESIDUES", 10)
    records = [protein(10, n, str(n)) for n in range(5)]

    def breaks():
        yield from records[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(NativeEncoder(MODEL), breaks(), tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()

    done = embed(NativeEncoder(MODEL), records, tmp_path / "out.parquet", resume=True)

    assert done.num_computed == 2
    assert polars.read_parquet(tmp_path / "out.parquet")["id"].to_list() == list("01234")
    assert not list(tmp_path.glob("*.partial"))


def test_without_resume_everything_is_computed_again(tmp_path: Path):
    encoder = NativeEncoder(MODEL, Choice(axis="residue"))
    embed(encoder, [protein(9, 1)], tmp_path / "out")

    assert embed(encoder, [protein(9, 1)], tmp_path / "out").num_computed == 1
    assert embed(encoder, [protein(9, 1)], tmp_path / "out", resume=True).num_computed == 0


def test_another_encoder_is_refused(tmp_path: Path):
    embed(NativeEncoder(MODEL, Choice(axis="residue")), [protein(9, 1)], tmp_path / "out")

    with pytest.raises(CheckpointError, match="were made by another encoder: digest is .* Pass --overwrite"):
        embed(NativeEncoder(build(1), Choice(axis="residue")), [protein(9, 1)], tmp_path / "out", resume=True)
    with pytest.raises(CheckpointError, match="axis is residue, not nucleotide"):
        embed(NativeEncoder(MODEL, Choice(axis="nucleotide")), [dna(9, 1)], tmp_path / "out", resume=True)


def test_a_damaged_shard_is_named(tmp_path: Path):
    encoder = NativeEncoder(MODEL, Choice(axis="residue"))
    embed(encoder, [protein(9, 1)], tmp_path / "out")
    shard = tmp_path / "out" / "shard-00000.safetensors"
    shard.write_bytes(shard.read_bytes()[:20])

    with pytest.raises(CheckpointError, match="shard-00000.safetensors' is damaged"):
        embed(encoder, [protein(9, 1)], tmp_path / "out", resume=True)


def test_sequence_vectors_must_be_named_parquet(tmp_path: Path):
    with pytest.raises(InputError, match="End it in .parquet"):
        embed(NativeEncoder(MODEL), [], tmp_path / "out.csv")


def test_no_records_make_an_empty_table(tmp_path: Path):
    done = embed(NativeEncoder(MODEL), [], tmp_path / "out.parquet")

    assert len(polars.read_parquet(tmp_path / "out.parquet")) == 0
    assert done.padding_fraction == 0


def test_the_same_letters_in_another_modality_are_another_sequence():
    assert sequence_digest(Sequence("ACG", Modality.DNA, "x")) == sequence_digest(Sequence("ACG", Modality.DNA, "y"))
    assert sequence_digest(Sequence("ACG", Modality.DNA)) != sequence_digest(Sequence("ACG", Modality.PROTEIN))


def test_an_input_that_cannot_be_read_leaves_nothing(tmp_path: Path):
    def broken():
        raise InputError("The file is empty.")
        yield

    with pytest.raises(InputError):
        embed(NativeEncoder(MODEL), broken(), tmp_path / "out.parquet")

    assert not list(tmp_path.iterdir())

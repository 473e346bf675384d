"""Corpora: prepared from any input, whole or not at all, and opened again."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from biolect.bio.sequence import Modality
from biolect.data.corpus import Corpus, PrepareOptions, check_leakage, prepare
from biolect.data.document import View
from biolect.data.gather import partner_of
from biolect.errors import CheckpointError, ConfigError, InputError, LeakageError
from biolect.simulate import genomes

KEYS = {"records", "genes", "documents", "tokens", "refused", "translations", "leakage", "bytes_in", "seconds", "clusters"}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    genomes(folder / "g", seed=3, num_genes=60, num_families=20)
    return folder / "g"


def inputs_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".gbk", ".fa", ".gff3"))


@pytest.fixture(scope="module")
def corpus(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    output = tmp_path_factory.mktemp("corpus") / "c"
    prepare(inputs_in(simulated), output, PrepareOptions(valid=0.1, test=0.1, seed=1))
    return Corpus.open(output)


def test_annotation_becomes_checked_genes_on_shared_coordinates(corpus: Corpus) -> None:
    report = corpus.report
    assert set(report) >= KEYS and report["genes"] == 120 and report["refused"] == []
    assert report["translations"]["unexplained"] == [] and report["translations"]["checked"] >= 60
    regions = corpus.collections["sequences"]
    assert set(regions.records) == set(corpus.collections["genes"].records), "genomes are material, too"

    genes = corpus.collections["genes"]
    for group in range(genes.num_groups):
        views = {member.view: member for member in genes.group(group)}
        assert set(views) >= {View.CDS, View.TRANSCRIPT, View.PROTEIN}
        cds, protein = views[View.CDS], views[View.PROTEIN]
        assert len(cds) == 3 * len(protein) + 3, "the stop codon stays in the gene and has no residue"
        assert cds.coordinates.tolist() == list(range(1, len(cds) + 1))
        assert protein.coordinates.tolist() == list(range(3, len(cds) - 2, 3))
        transcript = views[View.TRANSCRIPT].between(0, len(cds))
        assert (transcript.token_ids == cds.token_ids).all()
        if View.LOCUS in views:
            coding = np.isin(views[View.LOCUS].coordinates, cds.coordinates)
            assert coding.sum() >= len(cds)


def test_splits_are_disjoint_in_clusters_and_the_report_is_clean(corpus: Corpus) -> None:
    assert corpus.report["leakage"]["clean"]
    check_leakage([corpus])
    homes: dict[int, set[str]] = {}
    for store in corpus.collections.values():
        for group in range(store.num_groups):
            homes.setdefault(store.cluster_of(group), set()).add(store.split_of(group))
    assert all(len(splits) == 1 for splits in homes.values()) and -1 not in homes
    genes = corpus.collections["genes"]
    assert all(len(genes.groups_in(split)) > 3 for split in ("train", "valid", "test"))


def test_a_whole_folder_and_equal_bytes_come_out_of_equal_input(corpus: Corpus, simulated: Path, tmp_path: Path) -> None:
    prepare(inputs_in(simulated), tmp_path / "again", corpus.options)

    names = sorted(p.relative_to(corpus.folder) for p in corpus.folder.rglob("*.bin"))
    assert names and names == sorted(p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*.bin"))
    assert all((corpus.folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)
    assert {p.name for p in corpus.folder.iterdir()} == {"collections", "corpus.json", "report.json", "run.json"}
    assert json.loads((corpus.folder / "run.json").read_text())["seed"] == 1


def test_views_that_are_not_asked_for_are_not_kept(simulated: Path, tmp_path: Path) -> None:
    options = PrepareOptions(kind="genes", views=("dna", "protein"), pairing="broken")
    prepare([path for path in inputs_in(simulated) if path.suffix == ".gbk"], tmp_path / "c", options)

    opened = Corpus.open(tmp_path / "c")
    assert opened.report["tokens"]["rna"] == 0 and opened.options.pairing == "broken"


def test_sequences_texts_and_tables_go_to_their_collections(tmp_path: Path) -> None:
    (tmp_path / "p.fa").write_text(">p1 first\nMKV\nLLA\n>p2\nmktw\n>p1\nMRRR7\n")
    with gzip.open(tmp_path / "t.csv.gz", "wt") as stream:
        stream.write("id,sequence\nr1,ACGUACGUUU\n")
    primers = " and ".join(f"5'-{text}-3'" for text in ("GACTTTTTGGAGTGGCTTTGT", "CCATGACCATTACGGATTCAC", "TTGACAATTAATCATCGGCTC"))
    (tmp_path / "page.txt").write_text(f"The primers {primers} were used.\n")

    report = prepare([tmp_path / "p.fa", tmp_path / "t.csv.gz", tmp_path / "page.txt"], tmp_path / "c")

    stores = Corpus.open(tmp_path / "c").collections
    assert set(stores) == {"sequences", "interleaved"} and len(stores["interleaved"].group(0)) == 3
    assert [stores["sequences"].name_of(i) for i in range(3)] == ["p1", "p2", "r1"]
    assert [r["id"] for r in report["refused"]] == ["p1"] and "'7'" in report["refused"][0]["reason"]
    assert report["folded"]["lower_case"] == 4 and report["records"] == 6
    assert report["tokens"] == {"dna": 63, "rna": 10, "protein": 10}
    assert stores["sequences"].total_tokens(Modality.PROTEIN) == 10


def test_long_dna_without_genes_is_cut_into_blocks(tmp_path: Path) -> None:
    text = "".join(np.random.default_rng(0).choice(list("ACGT"), 250_000))
    (tmp_path / "g.fa").write_text(f">chr\n{text}\n>chr\n{text}\n>short\nACGTACGTAA\n")

    report = prepare([tmp_path / "g.fa"], tmp_path / "c", PrepareOptions(valid=0.2, test=0.2))

    store = Corpus.open(tmp_path / "c").collections["sequences"]
    assert store.num_groups == 6 and store.name_of(0) == "short"
    assert sorted(store.split_of(i) for i in range(1, 6)) == ["test", "train", "train", "train", "valid"]
    assert report["duplicates"] == 1 and report["records"] == 3 and report["leakage"]["clean"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.fa", b"", "empty"),
        ("README.md", b"# Words\n\nNothing but words.\n", "No sequence was found"),
        ("zero.fa", b">a\nAC\0GT\n", "binary"),
    ],
)
def test_what_cannot_be_a_corpus_leaves_nothing_behind(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(InputError, match=message):
        prepare([tmp_path / name], tmp_path / "c")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        prepare([tmp_path / "none.fa"], tmp_path / "c")
    with pytest.raises(InputError, match="is a folder"):
        prepare([tmp_path], tmp_path / "c")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"engine": "ray"}, "engine = 'ray' is not built yet"),
        ({"valid": 0.5, "test": 0.5}, "leave nothing to train on"),
        ({"view": ["dna"]}, "Did you mean 'views'"),
    ],
)
def test_impossible_options_are_refused(asked: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PrepareOptions.from_dict(asked)


def test_a_damaged_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no whole corpus"):
        Corpus.open(tmp_path)


def test_two_corpora_that_share_records_across_splits_are_refused_together(corpus: Corpus, simulated: Path, tmp_path: Path) -> None:
    # Corpora in folders of one name are two corpora all the same.
    prepare(inputs_in(simulated), tmp_path / corpus.folder.name, PrepareOptions(valid=0.1, test=0.1, seed=2))
    other = Corpus.open(tmp_path / corpus.folder.name)

    with pytest.raises(LeakageError, match="share sequences"):
        check_leakage([corpus, other])
    check_leakage([corpus, other], allow=True)


def test_a_bad_file_among_good_ones_stops_the_work_or_is_listed(tmp_path: Path) -> None:
    (tmp_path / "good.fa").write_text(">a\nMKVLLA\n")
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    files = [tmp_path / "bad.csv", tmp_path / "good.fa"]

    with pytest.raises(InputError, match="no column 'sequence'"):
        prepare(files, tmp_path / "c")
    report = prepare(files, tmp_path / "c", PrepareOptions(skip_bad=True))

    assert report["records"] == 1 and [r["id"] for r in report["refused"]] == ["bad.csv"]


def test_annotation_stands_on_the_sequence_of_its_own_folder(tmp_path: Path) -> None:
    for name in ("fly", "worm"):
        (tmp_path / name).mkdir()
        for ending in (".fa.gz", ".gff3"):
            (tmp_path / name / f"slice{ending}").touch()
    paths = sorted(tmp_path.rglob("slice*"))
    (tmp_path / "worm" / "slice.fa.gz").unlink()

    assert partner_of(tmp_path / "fly" / "slice.gff3", paths[::-1]) == tmp_path / "fly" / "slice.fa.gz"
    assert partner_of(tmp_path / "worm" / "slice.gff3", paths) == tmp_path / "fly" / "slice.fa.gz"
    assert partner_of(tmp_path / "lone.gff3", paths) is None


def test_real_phages_are_read_whole_and_split_without_leakage(data_folder: Path, tmp_path: Path) -> None:
    files = sorted((data_folder / "genbank" / "phage" / "enterobacteria_phage").glob("*.gbk.gz"))

    report = prepare(files, tmp_path / "c", PrepareOptions(valid=0.1, test=0.1))

    assert report["genes"] == report["translations"]["checked"] == 358 and report["translations"]["unexplained"] == []
    assert report["leakage"]["clean"] and report["refused"] == []
    assert min(report["splits"]["genes"].values()) > 20


@pytest.mark.slow
def test_two_strains_share_their_clusters_and_no_cluster_swallows_a_genome(data_folder: Path, tmp_path: Path) -> None:
    folder = data_folder / "genbank" / "bacteria"
    strains = sorted(folder.glob("Mycoplasma_mycoides*.gbff.gz"))

    report = prepare([*strains, *folder.glob("Escherichia_coli*.gbff.gz")], tmp_path / "c")

    genes = Corpus.open(tmp_path / "c").collections["genes"]
    of_record = {group: place.record for group, place in genes.places()}
    first, second = ({genes.cluster_of(g) for g, r in of_record.items() if r == name} for name in sorted(set(of_record.values()))[1:])
    assert len(first & second) > 0.8 * min(len(first), len(second))
    assert report["clusters"]["largest_share"] < 0.05 and report["leakage"]["clean"]


def test_a_text_that_cannot_be_read_is_listed_where_that_was_asked_for(tmp_path: Path) -> None:
    good = tmp_path / "good.txt"
    good.write_text("GATTACAGGCATTCAGGATCCTT, TTAGCCGATCCAGGTTCAACGGA, CCGGATTTAGACCATGGTACGTA")
    (tmp_path / "bad.txt").write_bytes(b"caf\xe9 " * 20)

    report = prepare([good, tmp_path / "bad.txt"], tmp_path / "c", PrepareOptions(skip_bad=True, valid=0.0, test=0.0))

    assert report["records"] == 3 and [one["id"] for one in report["refused"]] == ["bad.txt"]

"""Corpora of molecules: read, checked, split without relatives, and looked at again."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from biolect.bio import chemistry
from biolect.bio.sequence import Modality
from biolect.data.corpus import Corpus, PrepareOptions, check_leakage, prepare
from biolect.data.leakage import leakage_report
from biolect.data.shards import MemberStore, MemberWriter
from biolect.errors import InputError, LeakageError, MissingDependencyError
from biolect.tokens.vocabulary import Vocabulary

pytest.importorskip("rdkit")

ENDS = ("C", "CC", "CCC", "F", "Cl", "Br", "O", "N", "C#N", "OC")
CORES = (
    "c1ccc({})cc1CCCC", "C1CCN({})CC1S(=O)(=O)C", "c1cnc({})nc1NC", "C1CCC({})C1OCC", "c1csc({})c1C(=O)N", "O=C(N{})c1ccco1", "C1CC1C({})P",
    "c1ccc2[nH]c({})cc2c1", "N#CC({})CS", "[Na+].[O-]C(=O)C({})I",
)  # fmt: skip
VOCABULARY = Vocabulary.named("smiles-176")


def texts(store: MemberStore, split: str) -> list[list[str]]:
    return [[VOCABULARY.decode(m.token_ids, Modality.MOLECULE) for m in store.group(int(g))] for g in store.groups_in(split)]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("molecules") / "table.csv"
    with open(path, "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "target", "smiles"])
        for core, domain in zip(CORES, "ABCDEFGHIJ", strict=True):
            writer.writerows([f"{domain}{i}", domain, core.format(end)] for i, end in enumerate(ENDS))
    return path


def test_lone_molecules_are_split_by_similarity_and_nothing_leaks(table: Path, tmp_path: Path) -> None:
    report = prepare([table], tmp_path / "c", PrepareOptions(kind="molecules", valid=0.2, test=0.2))

    store = Corpus.open(tmp_path / "c").collections["molecules"]
    splits = {split: [one for group in texts(store, split) for one in group] for split in ("train", "valid", "test")}
    assert report["leakage"]["clean"] and report["documents"] == report["records"] == 100
    assert sorted(one for part in splits.values() for one in part) == sorted(core.format(end) for core in CORES for end in ENDS)
    assert all(len(part) >= 5 for part in splits.values())
    assert report["tokens"]["molecule"] == store.total_tokens(Modality.MOLECULE) and store.name_of_member(0) == "A0"
    assert report["clusters"]["similarity"] == "Morgan-2 Tanimoto of at least 0.7"


def test_splits_do_not_depend_on_the_order_of_the_lines(table: Path, tmp_path: Path) -> None:
    header, *lines = table.read_text().splitlines()
    (tmp_path / "turned.csv").write_text("\n".join([header, *reversed(lines)]) + "\n")

    held = []
    for path in (table, tmp_path / "turned.csv"):
        prepare([path], tmp_path / path.stem, PrepareOptions(kind="molecules", valid=0.2, test=0.2))
        held.append(sorted(texts(Corpus.open(tmp_path / path.stem).collections["molecules"], "test")))
    assert held[0] == held[1]


def test_domains_are_groups_and_what_they_share_with_training_is_left_out(table: Path, tmp_path: Path) -> None:
    # A molecule of every other domain, spelled differently, joins domain K, which shares too little to be a relative of any.
    lines = [f"K{i},K,{core.format('C(F)(F)F')}" for i, core in enumerate(CORES[:3])] + [
        f"K{i},K,C[Si](C)(C){'C' * i}[Se]C" for i in range(8)
    ]
    for place in range(10):
        lines.append(f"X,{'ABCDEFGHIJ'[place]},C1CC1C({ENDS[place]})P")
    (tmp_path / "t.csv").write_text(table.read_text() + "\n".join(lines) + "\n")
    options = PrepareOptions(kind="molecules", domain="target", valid=0.2, test=0.2)

    report = prepare([tmp_path / "t.csv"], tmp_path / "c", options)

    store = Corpus.open(tmp_path / "c").collections["domains"]
    seen = {one for group in texts(store, "train") for one in group}
    held = {one for split in ("valid", "test") for group in texts(store, split) for one in group}
    assert report["leakage"]["clean"] and not seen & held and held
    assert sum(report["clusters"]["removed"].values()) > 0
    assert sum(map(len, (texts(store, "train")))) + len(held) < report["records"]
    assert all(store.name_of(int(g)) in "ABCDEFGHIJK" for g in store.groups_in("test"))


def test_one_file_can_be_one_domain(tmp_path: Path) -> None:
    for name, core in zip(("a.smi", "b.smi", "c.smi"), CORES, strict=False):
        (tmp_path / name).write_text("".join(f"{core.format(end)}\n" for end in ENDS))
    # The ending is no part of the name, and a file may have none.
    files = [tmp_path / "a.smi", tmp_path / "b.smi", (tmp_path / "c.smi").rename(tmp_path / "c")]

    prepare(files, tmp_path / "out", PrepareOptions(kind="molecules", domain="file", valid=0.3, test=0.3))

    store = Corpus.open(tmp_path / "out").collections["domains"]
    assert sorted(store.name_of(group) for group in range(3)) == ["a", "b", "c"]
    assert [len(store.groups_in(split)) for split in ("train", "valid", "test")] == [1, 1, 1]


def test_equal_molecules_are_counted_once_however_they_are_spelled(tmp_path: Path) -> None:
    (tmp_path / "x.smi").write_text("OCC a\nC(O)C b\nCCO c\nc1ccccc1O d\n")

    report = prepare([tmp_path / "x.smi"], tmp_path / "c", PrepareOptions(kind="molecules", valid=0, test=0, canonicalizes=True))

    assert (report["records"], report["duplicates"], report["documents"]) == (4, 2, 2)
    assert texts(Corpus.open(tmp_path / "c").collections["molecules"], "train") == [["CCO"], ["Oc1ccccc1"]]


def test_what_rdkit_refuses_is_refused_or_kept_and_always_listed(tmp_path: Path) -> None:
    (tmp_path / "x.smi").write_text("CCO a\nCN(C)(C)(C)C b\nCHEMBL25 c\n")
    options = PrepareOptions(kind="molecules", valid=0, test=0)

    strict = prepare([tmp_path / "x.smi"], tmp_path / "s", options)
    kept = prepare([tmp_path / "x.smi"], tmp_path / "k", options.model_copy(update={"invalid": "keep"}))

    assert [one["id"] for one in strict["refused"]] == ["b", "c"] and strict["kept_invalid"] == []
    assert [one["id"] for one in kept["refused"]] == ["c"]
    assert kept["kept_invalid"] == [
        {"id": "b", "where": str(tmp_path / "x.smi"), "reason": "Explicit valence for atom # 1 N, 5, is greater than permitted"}
    ]
    assert kept["documents"] == 2


def test_without_rdkit_molecules_are_kept_unchecked_but_not_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chemistry, "is_there", lambda: False)
    (tmp_path / "x.smi").write_text("C(C)O a\nCN(C)(C)(C)C b\n")

    with pytest.raises(
        MissingDependencyError, match="Holding molecules out without their relatives needs RDKit, which is in the extra 'chem'"
    ):
        prepare([tmp_path / "x.smi"], tmp_path / "c", PrepareOptions(kind="molecules"))
    report = prepare([tmp_path / "x.smi"], tmp_path / "c", PrepareOptions(kind="molecules", valid=0, test=0))

    assert report["notices"] == [chemistry.NOTICE] and report["documents"] == 2


@pytest.mark.parametrize(
    ("name", "text", "domain", "message"),
    [
        ("x.fa", ">a\nACGT\n", "", "is FASTA, which holds no molecules. Give SMILES files, or tables with a column smiles."),
        ("x.smi", "CC(C)C\n", "target", "has no columns, so none is 'target'. Give a table, or domain=file for one domain per file."),
        ("x.csv", "target,mol\na,CC\n", "target", "has no column 'smiles'; it has 'target', 'mol'."),
        ("x.csv", "smiles,taget\nCC,a\n", "target", "has no column 'target'; it has 'smiles', 'taget'. Did you mean 'taget'?"),
        ("x.smi", "Aspirin a\nwords b\n", "", "No sequence was found in"),
    ],
)
def test_inputs_that_hold_no_molecules_are_refused(tmp_path: Path, name: str, text: str, domain: str, message: str) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(InputError) as caught:
        prepare([tmp_path / name], tmp_path / "c", PrepareOptions(kind="molecules", domain=domain))
    assert message in str(caught.value)
    assert not (tmp_path / "c").exists()


def store_of(folder: Path, *molecules: tuple[str, str]) -> MemberStore:
    from biolect.bio.sequence import Sequence
    from biolect.data.document import View

    with MemberWriter(folder, VOCABULARY) as writer:
        for text, split in molecules:
            writer.begin_group("", split=split)
            writer.add(VOCABULARY.encode(Sequence(text, Modality.MOLECULE)), Modality.MOLECULE, View.RECORD)
    return MemberStore.open(folder)


def test_planted_leaks_are_found(tmp_path: Path) -> None:
    long = "C[C@H](N)C(=O)Nc1ccccc1"
    store = store_of(
        tmp_path / "s", ("OCC", "train"), ("CCO", "test"), (long.replace("@", "@@"), "valid"), (long, "train"), ("c1ccncc1Br", "test")
    )

    report = leakage_report({"molecules": store})

    assert not report["clean"]
    assert report["identical"] == {"count": 1, "examples": [["train: OCC (molecules)", "test: CCO (molecules)"]]}
    assert report["near_duplicates"]["count"] == 1
    assert report["near_duplicates"]["examples"][0]["held_out"].endswith("(valid)")


def test_a_corpus_that_leaks_into_another_is_not_trained_on(tmp_path: Path) -> None:
    (tmp_path / "x.smi").write_text("".join(f"{core.format(end)}\n" for core in CORES for end in ENDS))
    options = PrepareOptions(kind="molecules", valid=0.2, test=0.2)
    for seed in (0, 1):
        prepare([tmp_path / "x.smi"], tmp_path / f"c{seed}", options.model_copy(update={"seed": seed}))

    with pytest.raises(LeakageError, match="identical"):
        check_leakage([Corpus.open(tmp_path / "c0"), Corpus.open(tmp_path / "c1")])


def test_a_molecule_without_a_domain_is_refused_and_not_put_into_one_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,target,smiles\na,A,CCO\nb,,CCN\nc,A,CCC\n")

    report = prepare([tmp_path / "in.csv"], tmp_path / "c", PrepareOptions(kind="molecules", domain="target", valid=0, test=0))

    assert report["records"] == 2 and report["documents"] == 1
    assert [(one["id"], one["reason"]) for one in report["refused"]] == [
        ("b", "Its column 'target' is empty. Fill it in, or remove the row.")
    ]


def test_rows_of_several_files_have_the_same_numbers_and_share_nothing(tmp_path: Path) -> None:
    files = [tmp_path / "a.smi", tmp_path / "b.smi"]
    for number, path in enumerate(files):
        path.write_text("".join(f"{core.format(end)}\n" for core in CORES[5 * number : 5 * number + 5] for end in ENDS))

    report = prepare(files, tmp_path / "c", PrepareOptions(kind="molecules", valid=0.2, test=0.2))

    assert report["records"] == 100 and report["leakage"]["clean"]


def test_domains_are_named_as_they_are_written(tmp_path: Path) -> None:
    rows = [f"{domain},{core.format(end)}" for domain, core in zip(("007", "7", "1E2", "100"), CORES, strict=False) for end in ENDS]
    (tmp_path / "t.csv").write_text("\n".join(["domain,smiles", *rows]) + "\n")

    prepare([tmp_path / "t.csv"], tmp_path / "c", PrepareOptions(kind="molecules", domain="domain", valid=0.0, test=0.0))

    store = Corpus.open(tmp_path / "c").collections["domains"]
    assert {store.name_of(int(group)) for group in store.groups_in("train")} == {"007", "7", "1E2", "100"}

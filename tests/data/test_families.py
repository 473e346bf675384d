"""Families: from alignments and headers to documents of whole members, and never two of one cluster apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from biolect.bio.io import Refusal
from biolect.bio.sequence import Modality
from biolect.data.corpus import Corpus, PrepareOptions, prepare
from biolect.data.document import Grammar
from biolect.data.readable import check_readable
from biolect.data.related import read_families
from biolect.data.sources import FamilySource
from biolect.errors import ConfigError, InputError
from biolect.simulate import families
from biolect.tokens.vocabulary import Vocabulary

A3M = ">q\nMKV-LF\n>r one\nM-VaaELF\n"
STOCKHOLM = "# STOCKHOLM 1.0\n#=GF ID   first\na/1-3 MK.\nb/1-3 M-F\n#=GC x  ...\n\na/1-3 LWE\nb/1-3 lWE\n//\n# STOCKHOLM 1.0\nc MFF\n//\n"
HEADERS = '>a family="kinase" x\nMKVLEF\n>b family="lyase"\nMRRLE\n>c family="kinase"\nMKVLQF\n'
TABLE = "clan,id,letters\nC1,a,MKVLEF\nC2,b,MRRLE\nC1,c,MKVLQF\n"


@pytest.fixture
def written(tmp_path: Path):
    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def found(path: Path, *rules: str) -> list[tuple[str, str, str]]:
    records = [(family, record) for family, record in read_families(path, *rules) if not isinstance(record, Refusal)]
    return [(family, record.name, str(record)) for family, record in records]


def test_a_file_is_a_family_without_gaps_and_with_insertions_in_capitals(written):
    assert found(written("toy.a3m", A3M)) == [("toy", "q", "MKVLF"), ("toy", "r", "MVAAELF")]
    assert found(written("al.igned.fa", ">q\nMK-VLF\n>r\nM..EF\n")) == [("al.igned", "q", "MKVLF"), ("al.igned", "r", "MEF")]


def test_each_alignment_of_a_stockholm_file_is_a_family(written):
    assert found(written("x.sto", STOCKHOLM)) == [("first", "a/1-3", "MKLWE"), ("first", "b/1-3", "MFLWE"), ("x", "c", "MFF")]


def test_headers_and_columns_tell_families_apart(written):
    expected = [("a", "MKVLEF"), ("b", "MRRLE"), ("c", "MKVLQF")]

    from_headers = found(written("x.fa", HEADERS), 'family="([^"]*)"')
    from_columns = found(written("x.csv", TABLE), "clan", "letters")

    assert from_headers == [(family, *record) for family, record in zip(("kinase", "lyase", "kinase"), expected, strict=True)]
    assert from_columns == [(family, *record) for family, record in zip(("C1", "C2", "C1"), expected, strict=True)]


@pytest.mark.parametrize(
    ("name", "text", "rules", "error", "message"),
    [
        (
            "x.a3m",
            ">q\nMKVLF\n>r\nM-VaaL\n",
            (),
            InputError,
            "Row 'r' of '{}' (line 3) has 4 columns, but the first row has 5. "
            "Columns are capitals and '-'; align the row again, or leave it out.",
        ),
        (
            "x.fa",
            HEADERS + ">d\nMEF\n",
            ('family="([^"]*)"',),
            InputError,
            "The header of 'd' in '{}' names no family: family = 'family=\"([^\"]*)\"' finds nothing. Change it.",
        ),
        (
            "x.fa",
            HEADERS,
            ("(a",),
            ConfigError,
            "family = '(a' is no regular expression (missing ), unterminated subpattern at position 0). "
            "Write one, for example family='OX=([0-9]+)'.",
        ),
    ],
)
def test_what_cannot_be_told_apart_gets_one_sentence(written, name, text, rules, error, message):
    path = written(name, text)

    with pytest.raises(error) as caught:
        found(path, *rules)

    assert str(caught.value) == message.format(path)


def test_a_family_is_a_group_of_different_members(written, tmp_path):
    path = written("x.fa", HEADERS + '>again family="kinase"\nMKVLEF\n>bad family="lyase"\nMK7\n')

    report = prepare([path], tmp_path / "corpus", PrepareOptions(kind="families", family='family="([^"]*)"', test=0, valid=0))

    store = Corpus.open(tmp_path / "corpus").collections["families"]
    assert report["records"] == 4 and report["duplicates"] == 1 and [one["id"] for one in report["refused"]] == ["bad"]
    assert {store.name_of(group): len(store.members_of(group)) for group in range(store.num_groups)} == {"kinase": 2, "lyase": 1}
    assert [store.name_of_member(index) for index in range(store.num_members)] == ["a", "c", "b"]


def test_a_column_is_read_whatever_the_kind_and_refused_where_nothing_has_one(written, tmp_path):
    table = written("x.csv", "id,sequence,letters\na,MKV,MRRLE\nb,MKV,MELFF\n")

    for kind, name in {"auto": "sequences", "families": "families"}.items():
        options = PrepareOptions.from_dict({"kind": kind, "column": "letters", "test": 0, "valid": 0})
        report = prepare([table], tmp_path / kind, options)
        assert report["tokens"]["protein"] == 10 and list(Corpus.open(tmp_path / kind).collections) == [name]
    with pytest.raises(InputError, match="has no column 'lettres'; it has 'id', 'sequence', 'letters'. Did you mean 'letters'"):
        prepare([table], tmp_path / "no", PrepareOptions(column="lettres"))
    with pytest.raises(ConfigError, match="column = 'letters' names a column, but no input is a table: CSV, TSV or Parquet. Leave it out"):
        prepare([written("x.fa", HEADERS)], tmp_path / "no", PrepareOptions(column="letters"))
    with pytest.raises(ConfigError, match="family = 'x' is for --kind families, but kind = auto"):
        PrepareOptions.from_dict({"family": "x"})


def test_a_file_that_is_one_family_for_want_of_a_rule_is_reported(written, tmp_path):
    files = [written("by_product.fa", HEADERS), written("toy.a3m", A3M), written("x.sto", STOCKHOLM)]

    report = prepare(files, tmp_path / "corpus", PrepareOptions(kind="families", test=0, valid=0))
    ruled = prepare(files[:1], tmp_path / "ruled", PrepareOptions(kind="families", family='family="([^"]*)"', test=0, valid=0))

    assert report["one_family_each"] == {"by_product.fa": 3} and ruled["one_family_each"] == {}


def test_a_letter_without_a_token_is_named_before_anything_is_trained(written, tmp_path):
    prepare([written("x.fa", HEADERS + '>stop family="kinase"\nMKV*\n')], tmp_path / "c", PrepareOptions(kind="families", test=0, valid=0))
    message = r"'\*' in record 'stop' of '.*families' has no token in vocabulary 'prot-38' \(1 such letters in all\)\. Take them out"

    check_readable(Corpus.open(tmp_path / "c").collections.values())
    check_readable(Corpus.open(tmp_path / "c", Vocabulary.named("dna-12")).collections.values())
    with pytest.raises(InputError, match=message):
        check_readable(Corpus.open(tmp_path / "c", Vocabulary.named("prot-38")).collections.values())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("families")
    paths = families(folder / "toy", seed=1, num_families=20, num_members=12)
    # A family in two files is in one cluster, whatever it is called.
    (folder / "other.a3m").write_bytes(paths[0].read_bytes())
    prepare([*paths, folder / "other.a3m"], folder / "corpus", PrepareOptions(kind="families", valid=0.2, test=0.2))
    return folder / "corpus"


def test_relatives_stay_on_one_side_of_the_split(corpus: Path):
    opened = Corpus.open(corpus)
    store = opened.collections["families"]

    splits = {store.name_of(group): store.split_of(group) for group in range(store.num_groups)}

    assert opened.report["leakage"]["clean"]
    assert set(splits.values()) == {"train", "valid", "test"}
    assert splits["other"] == splits["family_001"]
    assert opened.report["clusters"]["count"] == 20


def test_a_document_holds_as_many_whole_members_as_fit_in_any_order(corpus: Path):
    prot = Vocabulary.named("prot-38")
    store = Corpus.open(corpus, prot).collections["families"]
    grammar = Grammar(tags=False, positions="member")
    source, rng = FamilySource(store, "train"), np.random.default_rng(0)

    drawn = [source.document(0, rng, room, grammar) for room in (300, 300, 2_000, 20)]

    members = {member.token_ids.tobytes() for member in store.group(int(source.groups[0]))}
    for document, room in zip(drawn[:3], (300, 300, 2_000), strict=True):
        texts = [member.token_ids.tobytes() for member in document.members]
        assert set(texts) <= members and len(set(texts)) == len(texts)
        assert len(document) + grammar.overhead(len(document.members)) <= room
    assert [m.token_ids.tobytes() for m in drawn[0].members] != [m.token_ids.tobytes() for m in drawn[1].members]
    assert 2 <= len(drawn[0].members) < len(drawn[2].members) == 12
    assert len(drawn[3].members) == 1 and len(drawn[3]) == 20 - grammar.overhead(1)
    assert all(member.modality is Modality.PROTEIN for member in drawn[0].members)


def test_real_families_are_told_apart_by_their_headers(data_folder: Path):
    folder = data_folder / "protein_families"
    by_product = list(read_families(folder / "swissprot_archaea_by_product.faa.gz", 'family="([^"]*)"'))
    mitochondria = list(read_families(folder / "swissprot_mitochondria_2014.faa.gz", "~~~([^~]*)$"))
    clans = list(read_families(folder / "pfam_clan_members.csv.gz", "clan_id", "protein_seq"))
    seed = list(read_families(folder / "msa" / "hmmer_fn3.sto.gz"))

    assert (len(by_product), len({family for family, _ in by_product})) == (646, 119)
    assert len(mitochondria) == 1_273
    assert (len(clans), len({family for family, _ in clans})) == (2_058, 8)
    assert {family for family, _ in seed} == {"fn3"} and len(seed) == 98
    assert not [record for _, record in by_product + clans + seed if isinstance(record, Refusal)]


def test_a_row_without_a_family_is_refused_and_not_put_into_one_of_its_own(written):
    path = written("x.csv", "clan,id,letters\nC1,a,MKVLEF\n,b,MRRLE\n")

    refused = [record for _, record in read_families(path, "clan", "letters") if isinstance(record, Refusal)]

    assert [(one.id, one.where, one.reason) for one in refused] == [
        ("b", f"{path}, row 2", "Its column 'clan' is empty. Fill it in, or remove the row.")
    ]

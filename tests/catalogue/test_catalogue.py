"""Public data by name, from a mirror on loopback."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from biolect.catalogue import NAMED, WEIGHTS, Fetcher, Servers
from biolect.errors import DownloadError, InputError
from tests.files.server import Site, serving

RECORD = b"LOCUS       NC_001422 4 bp DNA\nORIGIN\n        1 acgt\n//\n"
EFETCH = "/entrez/eutils/efetch.fcgi?db=nuccore&id=NC_001422.1&rettype=gbwithparts&retmode=text"
ABOVE = "/genomes/all/GCF/000/005/845"
FOLDER = f"{ABOVE}/GCF_000005845.2_ASM584v2"
GENOME = gzip.compress(b">NC_000913.3\nACGT\n", mtime=0)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as running:
        md5 = hashlib.md5(GENOME).hexdigest()
        running.pages |= {
            EFETCH: RECORD,
            f"{ABOVE}/": b'<a href="GCF_000005845.1_ASM584v1/">x</a> <a href="GCF_000005845.2_ASM584v2/">y</a> <a href="../">up</a>',
            f"{FOLDER}/md5checksums.txt": f"{md5}  ./GCF_000005845.2_ASM584v2_genomic.fna.gz\n{'0' * 32}  ./README.txt\n".encode(),
            f"{FOLDER}/GCF_000005845.2_ASM584v2_genomic.fna.gz": GENOME,
            "/entrez/eutils/esearch.fcgi?db=assembly&term=ASM584v2[Assembly+Name]&retmode=json": json.dumps(
                {"esearchresult": {"idlist": ["79781"]}}
            ).encode(),
            "/entrez/eutils/esummary.fcgi?db=assembly&id=79781&retmode=json": json.dumps(
                {"result": {"uids": ["79781"], "79781": {"assemblyaccession": "GCF_000005845.2"}}}
            ).encode(),
            "/entrez/eutils/esearch.fcgi?db=assembly&term=Nothing9[Assembly+Name]&retmode=json": b'{"esearchresult": {"idlist": []}}',
        }
        yield running


def fetcher(site: Site) -> Fetcher:
    return Fetcher(Servers.at(site.address + "/"), retries=2, pause_seconds=0.001)


@pytest.mark.parametrize("name", ["phix174", "NC_001422.1"])
def test_a_name_or_accession_is_one_flat_file(site: Site, tmp_path: Path, name: str) -> None:
    plan = fetcher(site).plan(name)
    assert site.requests == []

    digests = fetcher(site).fetch(plan, tmp_path)

    assert digests == {"NC_001422.1.gb": hashlib.sha256(RECORD).hexdigest()}
    assert (tmp_path / "NC_001422.1.gb").read_bytes() == RECORD


@pytest.mark.parametrize("name", ["ecoli-k12", "GCF_000005845.2", "GCF_000005845", "GCF_000005845.2_ASM584v2", "ASM584v2"])
def test_an_assembly_is_the_files_of_its_folder(site: Site, tmp_path: Path, name: str) -> None:
    plan = fetcher(site).plan(name)

    assert [file.name for file in plan.files] == ["GCF_000005845.2_ASM584v2_genomic.fna.gz"]
    assert plan.files[0].md5 == hashlib.md5(GENOME).hexdigest()
    assert fetcher(site).fetch(plan, tmp_path) == {plan.files[0].name: hashlib.sha256(GENOME).hexdigest()}


@pytest.mark.parametrize(
    ("accession", "file", "database"),
    [
        ("NP_414542.1", "NP_414542.1.gp", "protein"),
        ("WP_000241662.1", "WP_000241662.1.gp", "protein"),
        ("AAC73113.1", "AAC73113.1.gp", "protein"),
        ("U00096.3", "U00096.3.gb", "nuccore"),
        ("CP009273", "CP009273.gb", "nuccore"),
        ("NM_000518.5", "NM_000518.5.gb", "nuccore"),
        ("NZ_CP009273.1", "NZ_CP009273.1.gb", "nuccore"),
        ("AADB02000001", "AADB02000001.gb", "nuccore"),
    ],
)
def test_accessions_are_told_apart(accession: str, file: str, database: str) -> None:
    plan = Fetcher().plan(accession)

    assert plan.files[0].name == file
    assert plan.files[0].address.startswith(f"https://eutils.ncbi.nlm.nih.gov/entrez/eutils/efetch.fcgi?db={database}&id={accession}&")


def test_every_named_set_has_a_form_that_is_known(site: Site) -> None:
    for name, named in NAMED.items():
        assert named.accession.startswith("GCF_") or fetcher(site).plan(name).files


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("phix-174", InputError, "There is no public data named 'phix-174'. Did you mean 'phix174'?"),
        ("Nothing9", InputError, "There is no public data named 'Nothing9'. Give an accession, or a name that `biolect data list` shows."),
        ("GCF_000005845.7", DownloadError, "Assembly 'GCF_000005845.7' is not at {}/. Check the accession and its version."),
    ],
)
def test_what_does_not_exist_is_said(site: Site, name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        fetcher(site).plan(name)

    assert str(caught.value) == message.format(site.address + ABOVE)


def test_a_wrong_digest_is_refused_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.pages[f"{FOLDER}/GCF_000005845.2_ASM584v2_genomic.fna.gz"] = GENOME + b"x"

    with pytest.raises(DownloadError, match=r"is damaged or another version: md5 is \w+, but \w+ was expected"):
        fetcher(site).fetch(fetcher(site).plan("ecoli-k12"), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("answer", [b"Error: CEFetchPApplication::proxy_stream()", RECORD[:-4]])
def test_an_answer_that_is_no_whole_record_is_refused(site: Site, tmp_path: Path, answer: bytes) -> None:
    site.pages[EFETCH] = answer

    with pytest.raises(DownloadError, match="sent no whole record: it begins with"):
        fetcher(site).fetch(fetcher(site).plan("phix174"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_already_is_never_removed(site: Site, tmp_path: Path) -> None:
    plan = fetcher(site).plan("phix174")
    mine = tmp_path / plan.files[0].name
    mine.write_text("my notes")

    with pytest.raises(DownloadError, match="already there, is no whole record: it begins with 'my notes'"):
        fetcher(site).fetch(plan, tmp_path)
    assert mine.read_text() == "my notes"


def test_an_answer_that_is_no_json_is_refused(site: Site) -> None:
    site.pages["/entrez/eutils/esearch.fcgi?db=assembly&term=Nothing9[Assembly+Name]&retmode=json"] = b"<html>"

    with pytest.raises(DownloadError, match="answers with something else than JSON: '<html>'"):
        fetcher(site).plan("Nothing9")


def test_the_verb_shows_address_licence_and_digest_first(site: Site, tmp_path: Path, biolect_command) -> None:
    site.faults[f"{FOLDER}/GCF_000005845.2_ASM584v2_genomic.fna.gz"] = [503, "cut 5"]
    words = ("data", "get", "ecoli-k12", "phix174", "--server", site.address, "-o", tmp_path / "new", "--json")

    shown = biolect_command(*words, "--dry-run")
    assert not (tmp_path / "new").exists()
    outcome = biolect_command(*words)

    assert shown.result["files"] == outcome.result["files"]
    assert outcome.code == 0
    assert all(Path(file).is_file() for file in outcome.result["files"])
    assert set(outcome.result["sha256"]) == {"GCF_000005845.2_ASM584v2_genomic.fna.gz", "NC_001422.1.gb"}
    assert "public domain" in outcome.result["licence"]
    for text in ("public domain", hashlib.md5(GENOME).hexdigest(), site.address + EFETCH):
        assert text in shown.err
    assert (tmp_path / "new" / "run.json").is_file()


def test_the_verb_takes_up_an_earlier_folder_and_can_start_anew(site: Site, tmp_path: Path, biolect_command) -> None:
    words = ("data", "get", "phix174", "--server", site.address, "-o", tmp_path, "--json", "--quiet")
    biolect_command(*words)
    assert biolect_command(*words).code == 0
    assert len(site.requests) == 1

    assert biolect_command(*words, "--overwrite").code == 0
    assert len(site.requests) == 2


def test_the_verb_lists_names_and_refuses_empty_requests(biolect_command, tmp_path: Path) -> None:
    assert {row["name"] for row in biolect_command("data", "list", "--json").result["data"]} == set(NAMED) | set(WEIGHTS)
    assert biolect_command("data", "get", "--json").result["error"].startswith("Nothing to get was named.")
    assert biolect_command("data", "get", "phix174").code == 2


def test_weights_of_published_models_have_an_address_and_a_licence(site: Site) -> None:
    plan = fetcher(site).plan("esm2_t12_35M_UR50D")

    assert [(file.name, file.address) for file in plan.files] == [
        ("esm2_t12_35M_UR50D.pt", "https://dl.fbaipublicfiles.com/fair-esm/models/esm2_t12_35M_UR50D.pt")
    ]
    assert plan.licence == "weights for -m esm2:FILE, under MIT"
    assert {name for name, weights in WEIGHTS.items() if "not for commercial use" in weights.licence} == {
        f"nucleotide-transformer-v2-{size}-multi-species" for size in ("50m", "100m", "250m", "500m")
    }
    assert all(file.address.startswith("https://") for name in WEIGHTS for file in fetcher(site).plan(name).files)

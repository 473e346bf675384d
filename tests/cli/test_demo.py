"""The whole demo on next to nothing: it runs, and what it leaves is whole. That it learns is seen in the full one."""

import base64
import io
import json
import re
from contextlib import redirect_stdout

import pytest

from biolect.bio.sequence import Modality
from biolect.cli import main
from biolect.data.corpus import Corpus
from biolect.recipes import demo

STEPS = ["prepare", "pretrain", "score", "translate", "code", "variants", "generate", "report"]


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The folder and the JSON object of one small demo."""
    folder, out = tmp_path_factory.mktemp("demo") / "out", io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setattr(demo, "FULL", demo.Sizes(genes=40, families=40, tokens=4_000, asked=8))
        assert main(["demo", "-o", str(folder), "--json", "--seed", "3"]) == 0
    return folder, json.loads(out.getvalue())


def test_the_object_is_that_of_the_contract(left):
    folder, result = left

    assert result["report"] == str(folder / "report.html")
    assert [step["name"] for step in result["steps"]] == STEPS
    assert all(set(step) == {"name", "seconds", "figures"} and step["seconds"] >= 0 for step in result["steps"])
    assert all((folder / file).is_file() for step in result["steps"] for file in step["figures"])


def test_everything_has_its_final_name(left):
    folder, _ = left

    assert {"report.html", "results.json", "run.json", "run", "corpus", "phix174", "figures"} <= {path.name for path in folder.iterdir()}
    assert not [path for path in folder.rglob("*") if path.suffix == ".tmp"]


def test_the_report_stands_alone_and_every_figure_has_labelled_axes(left):
    text = (left[0] / "report.html").read_text()
    drawings = [base64.b64decode(code).decode() for code in re.findall(r"svg\+xml;base64,([^\"]+)", text)]

    assert not re.search(r"https?:|<script|<link", text)
    assert len(drawings) == 5
    for labels, drawing in zip(
        (("Tokens seen", "bits per residue"), ("Held-out", "Bits"), ("scored", "Bits"), ("Codon", "Amino acid"), ("Position", "nats")),
        drawings,
        strict=True,
    ):
        assert all(label in drawing for label in labels)
    assert "nan" not in re.sub(r"base64,[^\"]+", "", text).replace("provenance", "")


def test_untrained_the_model_is_not_said_to_translate_and_the_packaged_one_is(left):
    findings = re.findall(r"<li>(.*gene coordinates: .*)</li>", (left[0] / "report.html").read_text())
    own = "\n".join(line for line in findings if "packaged" not in line)
    packaged = [line for line in findings if "packaged" in line and ", with gene coordinates" in line]

    assert "translation was learned" not in own
    assert own.count("translation was not shown to be learned") + own.count("a trace of translation was learned") == 4
    assert len(packaged) == 1 and ": translation was learned" in packaged[0]


def test_no_letter_of_phix174_is_trained_on(left):
    config = demo.RunConfig.from_yaml((left[0] / "run" / "config.yaml").read_text()).to_dict()
    (trained,) = (Corpus.open(folder) for folder in config["corpora"]["folders"].values())
    seen = b"\n".join(store.column("tokens").tobytes() for store in trained.collections.values())
    phix = Corpus.open(left[0] / "phix174").collections["genes"]
    proteins = [m.token_ids.tobytes() for group in range(phix.num_groups) for m in phix.group(group) if m.modality is Modality.PROTEIN]

    assert len(proteins) == 11
    assert not any(protein[start : start + 8] in seen for protein in proteins for start in range(len(protein) - 8))


def test_genes_are_asked_about_from_their_start_with_every_residue_on_its_codon(left):
    config = demo.RunConfig.from_yaml((left[0] / "run" / "config.yaml").read_text())
    found = demo.Questions(left[0], config, demo.Sizes(asked=40)).sets["phiX174"].asked

    assert {pair.name for pair in found} == {*"ABKCDEJFGH", "A*"}
    assert all(len(pair.gene) == 3 * len(pair.protein) for pair in found)
    assert sorted(len(pair.protein) for pair in found) == [38, *[50] * 10]
    assert all(pair.gene.coordinates.tolist() == list(range(1, len(pair.gene) + 1)) for pair in found)
    assert all(pair.protein.coordinates.tolist() == list(range(3, len(pair.gene) + 1, 3)) for pair in found)


def test_what_is_there_is_not_overwritten_unasked(left, biolect_command):
    assert biolect_command("demo", "-o", left[0]).code == 2


def test_a_dry_run_writes_nothing(tmp_path, biolect_command):
    outcome = biolect_command("demo", "-o", tmp_path / "out", "--dry-run", "--json")

    assert outcome.code == 0 and outcome.result["would_run"]["name"] == "demo"
    assert not (tmp_path / "out").exists()

"""Holes are asked about with both sides in view, and filled from left to right."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from biolect.bio.sequence import Modality, Sequence
from biolect.bio.variant import Variant
from biolect.data.document import Grammar
from biolect.errors import AlphabetError, ConfigError
from biolect.infer.generate import Sampling, generate
from biolect.infer.infill import Template, fill, filled_log_probabilities
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.infer.score import Query, score
from biolect.infer.variants import score_variants
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from tests.infer.conftest import protein

TOLERANCE = 2e-5
WILD = Sequence("MKTAYIAKQRQW", Modality.PROTEIN, "wild")


def build(vocabulary: str = "prot-38", seed: int = 0) -> LanguageModel:
    config = LanguageModel.Config(vocabulary=vocabulary, backbone=Transformer.Config(layers=2, width=32, heads=2, inner=48))
    model = config.build(seed).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight *= 6
    return model


@pytest.fixture(scope="module", params=["prot-38", "joint-64"])
def reader(request: pytest.FixtureRequest) -> Reader:
    model = build(request.param)
    grammar = Grammar(tags=model.vocabulary.has_tags, positions="member", last_position=9)
    return Reader(model, grammar, batch_tokens=64, infills=(Modality.PROTEIN,))


def prompt_of(reader: Reader, *lengths: int) -> Prompt:
    return Prompt.of([reader.member(protein(n, n)) for n in lengths], reader.grammar)


def naive(reader: Reader, prompt: Prompt, place: int) -> np.ndarray:
    """Write the whole document out by hand, and read it once, for one hole."""
    words, specials = reader.model.vocabulary, reader.grammar.overhead(1) - 1
    rendered = reader.write(prompt, reader.member(WILD))
    ids, positions = rendered.token_ids.tolist()[:-1], rendered.positions.tolist()[:-1]
    opened = len(ids) - len(WILD) - specials
    at = len(ids) - len(WILD) + place
    hole, where = words.holes[0], positions[at]
    ids[at] = hole
    ids, positions = [*ids, words.fill, hole], [*positions, positions[opened], where]
    return reader.model(torch.tensor([ids]), torch.tensor([positions]))[0, -1].log_softmax(-1).detach().numpy()


@pytest.mark.parametrize("lengths", [(), (7, 20)])
def test_what_is_said_of_a_hole_is_what_the_whole_document_says(reader: Reader, lengths):
    prompt = prompt_of(reader, *lengths)

    found = filled_log_probabilities(reader, reader.member(WILD), np.array([0, 5, 11]), prompt)

    expected = [naive(reader, prompt, place) for place in (0, 5, 11)]
    assert np.allclose(found, expected, atol=TOLERANCE)
    assert filled_log_probabilities(reader, reader.member(WILD), np.zeros(0, np.int64), prompt).shape == (0, len(reader.model.vocabulary))


def test_variants_are_compared_at_their_holes_and_summed(reader: Reader):
    prompt, words = prompt_of(reader, 9), reader.model.vocabulary
    variants = [Variant.parse(text) for text in ("K2A", "Q9E", "K2A:Q9E", "M1M")]

    ratios = score_variants(reader, WILD, variants, prompt=prompt)
    causal = score_variants(reader.asked("causal", Modality.PROTEIN), WILD, variants, prompt=prompt)

    second, ninth = naive(reader, prompt, 1), naive(reader, prompt, 8)
    assert ratios[0] == pytest.approx(second[words.id_of("A")] - second[words.id_of("K")], abs=TOLERANCE)
    assert ratios[1] == pytest.approx(ninth[words.id_of("E")] - ninth[words.id_of("Q")], abs=TOLERANCE)
    assert ratios[2] == pytest.approx(ratios[0] + ratios[1], abs=TOLERANCE)
    assert ratios[3] == 0
    assert not np.allclose(ratios[:3], causal[:3], atol=0.01)


def test_a_model_that_fills_no_holes_is_asked_from_left_to_right(reader: Reader):
    plain = Reader(reader.model, reader.grammar)

    one, other = (score_variants(r, WILD, [Variant.parse("K2A")]) for r in (plain, reader.asked("causal", Modality.PROTEIN)))
    assert one == other
    with pytest.raises(ConfigError) as caught:
        plain.asked("infill", Modality.PROTEIN)
    assert str(caught.value) == "Scoring by infill needs a model trained to fill holes of protein; this one was not. Ask it causal."


def test_gaps_are_filled_by_what_is_likeliest_given_all_that_stands_before(reader: Reader):
    words, prompt = reader.model.vocabulary, prompt_of(reader, 8)
    template = Template.parse("MK[2]YIA[1]Q", Modality.PROTEIN, 5)

    made = fill(reader, template, 2, Sampling(temperature=0), prompt=prompt)

    # By hand: the document up to the fill token, then every hole with what was said of it so far.
    holes = words.holes
    opening = ["<bos>", "<prot>"] if words.has_tags else ["<class>"]
    middle = ["<sep>", "<prot>"] if words.has_tags else ["<class>"]
    homolog = [words.tokens[i] for i in prompt.members[0].token_ids]
    text = [*opening, *homolog, *middle, "M", "K", "<hole1>", "Y", "I", "A", "<hole2>", "Q", words.roles.fill]
    first = len(middle)
    places = [*range(len(opening) + 8), *range(first), *(first + i for i in (0, 1, 2, 4, 5, 6, 7, 8)), 0]
    ids = [words.id_of(token) for token in text]
    letters = words.standard_ids(Modality.PROTEIN).astype(int)
    for hole, residues in ((0, (2, 3)), (1, (7,))):
        ids.append(holes[hole])
        places.append(first + residues[0])
        for residue in residues:
            logits = reader.model(torch.tensor([ids]), torch.tensor([places]).clamp(max=9))[0, -1]
            ids.append(int(letters[logits[letters].argmax()]))
            places.append(first + residue)
    a, b, c = (words.tokens[i] for i in (ids[-4], ids[-3], ids[-1]))
    assert [str(s) for s in made.sequences] == [f"MK{a}{b}YIA{c}Q"] * 2


def test_a_filled_sample_does_not_depend_on_those_beside_it(reader: Reader):
    template = Template.parse("[4]MKTAY[3]", Modality.PROTEIN, 5)

    few, many = (fill(reader, template, count, Sampling(seed=4)) for count in (2, 9))

    assert few.sequences == many.sequences[:2]
    assert len(set(map(str, many.sequences))) > 3
    assert all(len(s) == 12 and str(s)[4:9] == "MKTAY" for s in many.sequences)
    assert (many.num_tokens, many.num_ended) == (63, 9)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "MKTAYI",
            ConfigError,
            "The template 'MKTAYI' has no gap to fill. Write a gap as its number of residues in brackets, as in MKT[7]AYI.",
        ),
        (
            "MK[...]YI",
            ConfigError,
            "'[...]' in the template 'MK[...]YI' is no gap. Write a gap as its number of residues in brackets, as in MKT[7]AYI.",
        ),
        (
            "MK[9000000]YI",
            ConfigError,
            "A gap in the template 'MK[9000000]YI' is longer than 999,999 residues. Shorten it.",
        ),
        (
            "MK[0]YI",
            ConfigError,
            "'[0]' in the template 'MK[0]YI' is no gap. Write a gap as its number of residues in brackets, as in MKT[7]AYI.",
        ),
        ("[1]A[1]A[1]A", ConfigError, "The template '[1]A[1]A[1]A' has 3 gaps; the model can fill 2 at once. Close some of them."),
        (
            "MK[2]Y7",
            AlphabetError,
            "Symbol '7' at index 1 (0-based) of 'MK[2]Y7' is not in the protein alphabet. "
            "Write 'X' for an unknown residue; biolect prepare does so under unknown=mask.",
        ),
    ],
)
def test_a_template_that_cannot_be_filled_gets_one_sentence(text: str, error, message: str):
    with pytest.raises(error) as caught:
        Template.parse(text, Modality.PROTEIN, 2)

    assert str(caught.value) == message


def test_a_prompt_that_was_read_gives_the_same_answers(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    prompt = prompt_of(reader, 9, 14)
    read = reader.read(prompt)
    variants = [Variant.parse(text) for text in ("K2A", "W12A")]
    template = Template.parse("MK[3]A", Modality.PROTEIN, 5)
    causal = reader.asked("causal", Modality.PROTEIN)

    def answers(prompt: Prompt) -> list[list[float]]:
        query = Query("q", reader.member(WILD))
        return [
            [one.log_likelihood for one in score(reader, [query], prompt)],  # pyright: ignore[reportAttributeAccessIssue]
            score_variants(reader, WILD, variants, prompt=prompt).tolist(),
            score_variants(causal, WILD, variants, prompt=prompt).tolist(),
        ]

    assert np.allclose(np.concatenate(answers(prompt)), np.concatenate(answers(read)), atol=TOLERANCE)
    for draw in (
        lambda p: generate(reader, Modality.PROTEIN, 3, Sampling(max_residues=8), prompt=p),
        lambda p: generate(reader, Modality.PROTEIN, 3, Sampling(max_residues=8), prefix="MK", prompt=p),
        lambda p: fill(reader, template, 3, prompt=p),
    ):
        assert draw(prompt).sequences == draw(read).sequences
    # Nothing of it is read again.
    assert read.read is not None and reader.read(read) is read
    longest = []
    extend = LanguageModel.extend
    monkeypatch.setattr(LanguageModel, "extend", lambda self, ids, *rest: longest.append(ids.shape[1]) or extend(self, ids, *rest))
    answers(read)
    assert max(longest) < read.read.num_tokens


def test_given_letters_stay_though_the_model_reads_them_as_unknown():
    template = Template.parse("MKJ[2]U", Modality.PROTEIN, 5)

    assert template.filled("MKXACX") == "MKJACU"

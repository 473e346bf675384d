import numpy as np
import pytest
import torch

from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Grammar
from biolect.errors import AlphabetError, ConfigError
from biolect.infer import generate as module
from biolect.infer.generate import Sampling, generate, pick, quality
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader, counted
from biolect.models.language_model import LanguageModel
from biolect.models.xlstm import XLSTM
from tests.infer.conftest import build, dna, protein

LETTERS = {Modality.DNA: set("ACGT"), Modality.RNA: set("ACGU"), Modality.PROTEIN: set("ACDEFGHIKLMNPQRSTVWY")}


@pytest.mark.parametrize("modality", LETTERS)
def test_samples_are_of_letters_that_stand_for_one_residue(reader: Reader, modality: Modality):
    made = generate(reader, modality, 30, Sampling(max_residues=25, min_residues=3, temperature=3.0))

    assert len(made.sequences) == 30
    assert all(s.modality is modality and set(s.residues) <= LETTERS[modality] and len(s) <= 25 for s in made.sequences)
    assert len({s.residues for s in made.sequences}) > 20


def test_samples_do_not_depend_on_what_is_drawn_beside_them(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    sampling = Sampling(max_residues=40, seed=11)
    together = generate(reader, Modality.PROTEIN, 21, sampling, prefix="MK")
    monkeypatch.setattr(module, "_MOST_ROWS", 4)

    apart = generate(reader, Modality.PROTEIN, 21, sampling, prefix="MK")

    assert together.sequences == apart.sequences
    assert generate(reader, Modality.PROTEIN, 3, sampling, prefix="MK").sequences == together.sequences[:3]
    assert together.sequences != generate(reader, Modality.PROTEIN, 21, Sampling(max_residues=40, seed=12), prefix="MK").sequences


def without_reuse(reader: Reader, modality: Modality, prefix: str, prompt: Prompt, sampling: Sampling, number: int) -> str:
    """Draw one sample by reading everything anew for every letter."""
    words = reader.model.vocabulary
    allowed = [*words.standard_ids(modality).tolist(), words.end, words.separator]
    randoms = np.random.default_rng((sampling.seed, number)).random(sampling.max_residues)
    text = prefix
    for step in range(sampling.max_residues):
        rendered = reader.write(prompt, reader.member(Sequence(text, modality)))
        ids, positions = (torch.from_numpy(x.astype(np.int64))[None, :-1] for x in (rendered.token_ids, rendered.positions))
        with torch.no_grad():
            logits = reader.model(ids, positions)[:, -1, allowed if step >= sampling.min_residues else allowed[:-2]]
        choice = int(pick(logits, torch.tensor(randoms[step : step + 1]), sampling))
        if choice >= len(allowed) - 2:
            break
        text += words.decode(np.array([allowed[choice]]), modality)
    return text


@pytest.mark.parametrize("sampling", [Sampling(max_residues=15, seed=3), Sampling(max_residues=15, temperature=0.7, top_k=5, top_p=0.9)])
def test_reading_the_prompt_once_equals_reading_it_every_time(reader: Reader, sampling: Sampling):
    prompt = Prompt.of([reader.member(protein(12, 1)), reader.member(dna(20, 2))], reader.grammar)

    made = generate(reader, Modality.PROTEIN, 6, sampling, prefix="MA", prompt=prompt)

    assert [s.residues for s in made.sequences] == [
        without_reuse(reader, Modality.PROTEIN, "MA", prompt, sampling, number) for number in range(6)
    ]


def watch_positions(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Note the positions of every decoding step."""
    seen: list[list[int]] = []
    step = LanguageModel.step

    def noting(self, token_ids, positions, state):
        seen.append(positions.tolist())
        return step(self, token_ids, positions, state)

    monkeypatch.setattr(LanguageModel, "step", noting)
    return seen


def test_behind_annotated_members_residues_are_drawn_on_their_coordinates(monkeypatch: pytest.MonkeyPatch):
    reader = Reader(build())
    gene = counted(reader.member(dna(30, 1)))
    seen = watch_positions(monkeypatch)

    generate(reader, Modality.PROTEIN, 1, Sampling(max_residues=4, min_residues=4), prefix="MK", prompt=Prompt((gene,)))

    assert seen == [[9], [12], [15]]


def test_ordinary_positions_go_on_counting(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    seen = watch_positions(monkeypatch)

    generate(reader, Modality.DNA, 2, Sampling(max_residues=3, min_residues=3), prefix="AC")

    assert seen == [[4, 4], [5, 5]]


def test_rows_that_ended_are_dropped_without_disturbing_the_others(reader: Reader):
    sampling = Sampling(max_residues=60, min_residues=0, temperature=2.0)

    made = generate(reader, Modality.PROTEIN, 40, sampling)

    lengths = sorted(len(s) for s in made.sequences)
    assert lengths[0] < lengths[20] < lengths[-1]
    assert made.num_ended == sum(length < 60 for length in lengths)
    assert made.num_tokens == sum(lengths) + made.num_ended
    for number in (0, 17, 39):
        assert made.sequences[number].residues == without_reuse(reader, Modality.PROTEIN, "", Prompt(), sampling, number)


def test_temperature_zero_takes_the_likeliest_letter(reader: Reader):
    made = generate(reader, Modality.DNA, 3, Sampling(temperature=0, max_residues=12, min_residues=12))

    assert len({s.residues for s in made.sequences}) == 1
    assert len(made.sequences[0]) == 12


def test_top_k_and_top_p_keep_the_likeliest_letters():
    logits = torch.tensor([[0.5, 0.2, 0.2, 0.1]]).log().repeat(1000, 1)
    randoms = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000

    def chosen(**settings) -> dict[int, int]:
        values, counts = pick(logits, randoms, Sampling(**settings)).unique(return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))

    assert chosen() == {0: 500, 1: 200, 2: 200, 3: 100}
    assert list(chosen(top_k=1)) == [0]
    assert chosen(top_p=0.5) == {0: 1000}
    assert list(chosen(top_p=0.75)) == [0, 1, 2]
    assert chosen(temperature=0) == {0: 1000}


def test_a_letter_of_no_probability_is_never_drawn():
    logits = torch.tensor([[float("-inf"), 0.0, float("-inf")]])

    for random in (0.0, 0.5, 1 - 2**-53):
        assert pick(logits, torch.tensor([random], dtype=torch.float64), Sampling()).tolist() == [1]


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="temperature = -1"):
        Sampling.from_dict({"temperature": -1})
    with pytest.raises(ConfigError, match="top_p = 0"):
        Sampling.from_dict({"top_p": 0})


def test_a_prefix_in_another_alphabet_is_refused(reader: Reader):
    with pytest.raises(AlphabetError, match="is not in the DNA alphabet"):
        generate(reader, Modality.DNA, 1, prefix="MKL")


def test_a_model_without_tags_can_be_asked_too():
    reader = Reader(build(), Grammar(tags=False))

    assert len(generate(reader, Modality.RNA, 2, Sampling(max_residues=5)).sequences) == 2


def test_quality_says_what_letters_alone_can_say():
    made = [Sequence("ACGG", Modality.DNA), Sequence("ACGG", Modality.DNA), Sequence("NA", Modality.DNA)]

    found = quality(made, [Sequence("NA", Modality.DNA)])

    assert found["gc_fraction"] == pytest.approx(6 / 9)
    assert found["unique_fraction"] == pytest.approx(2 / 3)
    assert found["copied_fraction"] == pytest.approx(1 / 3)
    assert found["residues"] == {"mean": pytest.approx(10 / 3), "shortest": 2, "longest": 4}
    assert "gc_fraction" not in quality([protein(5, 1)])


def test_a_model_of_both_strands_refuses_protein_in_one_sentence():
    backbone = XLSTM.Config(layers=1, width=16, heads=2, pattern="s", inner=24, direction="bidirectional")
    reader = Reader(LanguageModel.Config(vocabulary="dna-12", backbone=backbone, strands="shared").build(), Grammar(tags=False))

    for ask in (lambda: reader.member(protein(5, 1)), lambda: generate(reader, Modality.PROTEIN, 1)):
        with pytest.raises(AlphabetError, match="Vocabulary 'dna-12' has no protein residues. It has those of dna."):
            ask()


def test_rows_at_once_follow_what_each_must_remember(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    context = reader.prefill(reader.write(Prompt(), reader.member(dna(9, 1))), 10)
    monkeypatch.setattr(module, "_STATE_BYTES", 20 * context.state.fork_bytes(100))

    assert module.rows_at_once(context, 100) == 10


def test_the_smallest_temperature_draws_like_none():
    logits = torch.tensor([[1.0, 40.0, -3.0]])

    assert pick(logits, torch.tensor([0.5], dtype=torch.float64), Sampling(temperature=1e-320)).tolist() == [1]

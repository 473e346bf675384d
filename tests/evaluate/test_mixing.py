"""Context mixing: chances, no look ahead, repeats of either strand, and never much worse than a Markov model."""

import numpy as np
import pytest

from biolect.evaluate.baselines import ContextMixing, Markov

COMPLEMENT = np.array([3, 2, 1, 0])


def random(length: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, length)


@pytest.fixture(scope="module")
def repeats() -> ContextMixing:
    """A model that has seen that records repeat themselves, forward or from the other strand."""

    def record(seed: int) -> np.ndarray:
        half = random(150, seed)
        return np.concatenate([half, half if seed % 2 else COMPLEMENT[half][::-1]])

    return ContextMixing(4, COMPLEMENT).fit([record(i) for i in range(6)], [record(i) for i in range(10, 20)])


def test_chances_of_all_continuations_sum_to_one(repeats: ContextMixing):
    start = random(40, 99)
    nats = [repeats.nats([np.append(start, letter)])[0][-1] for letter in range(4)]

    assert np.exp(-np.array(nats)).sum() == pytest.approx(1, abs=1e-4)


def test_nothing_depends_on_what_comes_later_or_stands_beside(repeats: ContextMixing):
    one, other = random(60, 1), random(50, 2)

    alone, cut = repeats.nats([one])[0], repeats.nats([other, one[:30]])[1]

    assert np.allclose(alone[:30], cut, atol=1e-4)


@pytest.mark.parametrize("turned", [False, True])
def test_a_repeat_is_cheap_on_either_strand(repeats: ContextMixing, turned: bool):
    half = random(200, 7)
    nats = repeats.nats([np.concatenate([half, COMPLEMENT[half][::-1] if turned else half])])[0]

    assert nats[:200].mean() / np.log(2) > 1.9
    assert nats[225:].mean() / np.log(2) < 0.5


def test_what_was_seen_in_training_is_known_again(repeats: ContextMixing):
    half = random(150, 0)

    assert repeats.nats([half])[0][30:].mean() / np.log(2) < 0.5


def test_it_does_as_well_as_the_markov_model_that_made_the_letters():
    rng, rates = np.random.default_rng(0), np.random.default_rng(1).dirichlet(np.ones(4) / 2, size=16)

    def drawn(length: int) -> np.ndarray:
        found = [0, 1]
        for _ in range(length):
            found.append(int(rng.choice(4, p=rates[found[-2] * 4 + found[-1]])))
        return np.array(found)

    train, valid, test = [drawn(2_000) for _ in range(5)], [drawn(2_000)], [drawn(2_000)]
    markov = Markov(2, 4).fit(train).nats(test[0]).mean()
    mixed = ContextMixing(4).fit(train, valid).nats(test)[0].mean()

    assert mixed < markov * 1.05


def test_a_long_record_is_read_in_pieces(repeats: ContextMixing, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(repeats, "_most", 100)
    found = repeats.nats([random(250, 3), random(20, 4), np.zeros(0, dtype=np.int64)])

    assert [len(one) for one in found] == [250, 20, 0]

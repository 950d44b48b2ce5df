"""The trap: random numbers that depend on what ran before, so that a resumed run differs."""

import statistics
from dataclasses import replace

import pytest

from dualollama_pipeline.simulator.draws import draw
from dualollama_pipeline.simulator.profile import Profile
from dualollama_pipeline.simulator.words import answer_texts

KEY = ("t1", "collector", "analysis")


def test_same_key_same_draws(standard: Profile):
    once = draw(standard, KEY, is_first=True)
    draw(standard, ("t0", "collector", "analysis"), is_first=True)
    assert draw(standard, KEY, is_first=True) == once


@pytest.mark.parametrize("part", [0, 1, 2])
def test_every_part_of_the_key_counts(standard: Profile, part: int):
    other = tuple("other" if i == part else text for i, text in enumerate(KEY))
    assert draw(standard, other, is_first=True) != draw(standard, KEY, is_first=True)


def test_seed_counts(standard: Profile):
    reseeded = standard.model_copy(update={"seed": standard.seed + 1})
    assert draw(reseeded, KEY, is_first=True) != draw(standard, KEY, is_first=True)


def test_medians_are_those_of_the_profile(standard: Profile):
    """Fixed keys, so this cannot fail by chance; the bounds are about five standard errors."""
    draws = [draw(standard, ("t", "a", str(i)), is_first=False) for i in range(2000)]
    # exp(5.578) = 264.5 ms; standard error of the median 0.058 x 264.5 x 1.25 / sqrt(2000) = 0.43.
    assert abs(statistics.median(d.load_warm_ns for d in draws) / 1e6 - 264.5) < 2.2
    # 1e9 / 108 = 9.2593 ms; 0.006 x 9.26 x 1.25 / sqrt(2000) = 0.0016.
    assert abs(statistics.median(d.token_work_ns for d in draws) / 1e6 - 9.2593) < 0.008


def test_noise_free_draws_are_the_centre(standard: Profile):
    draws = draw(standard.noise_free(), KEY, is_first=True)
    assert draws.token_work_ns == 1e9 / 108
    assert (draws.short_prompt_tokens, draws.long_prompt_tokens) == (1022, 1197)
    other = draw(standard.noise_free(), ("other", "x", "y"), is_first=True)
    drawn = {name: getattr(draws, name) for name in ("text_seed", "stop_chance", "stop_place")}
    assert replace(other, **drawn) == draws


def test_accidents_happen_to_following_calls_of_the_parity_profile_only(standard: Profile):
    parity = Profile.load("parity")
    keys = [("t", "a", str(i)) for i in range(5400)]
    following = [draw(parity, key, is_first=False) for key in keys]
    # 5400 / 270 = 20 expected of each kind; 3 standard deviations are 13.
    assert 7 <= sum(d.is_runaway for d in following) <= 33
    assert 7 <= sum(d.is_repetition for d in following) <= 33
    sound = [draw(parity, key, is_first=True) for key in keys]
    sound += [draw(standard, key, is_first=False) for key in keys]
    assert not any(d.is_runaway or d.is_repetition for d in sound)


def test_sound_texts_do_not_repeat_and_need_no_escaping(standard: Profile):
    """A detector of repetition loops must not fire on a sound answer."""
    texts = answer_texts(draw(standard, KEY, is_first=True), 1000)
    assert len(set(zip(texts, texts[1:], texts[2:], strict=False))) > 990
    assert all(text.startswith(" ") and text[1:].isalpha() and text.isascii() for text in texts)

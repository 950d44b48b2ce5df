"""The trap: Ollama's sticky options, where an absent option means what is loaded."""

import pytest

from dualollama_pipeline.simulator.call import Request
from dualollama_pipeline.simulator.profile import Profile
from dualollama_pipeline.simulator.residency import (
    Placement,
    cached_tokens,
    count_tokens,
    wanted_placement,
)

HELD = Placement(num_gpu=20, num_ctx=2048)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, HELD),
        ({"num_gpu": -1}, HELD),
        ({"num_gpu": 20}, HELD),
        ({"num_ctx": 512}, HELD),
        ({"num_ctx": 2048}, HELD),
        ({"num_gpu": 0}, Placement(0, 2048)),
        ({"num_gpu": 35}, Placement(35, 2048)),
        ({"num_ctx": 4096}, Placement(20, 4096)),
        ({"num_gpu": 35, "num_ctx": 999_999_999}, Placement(35, 131_072)),
    ],
)
def test_what_a_request_needs_while_a_model_is_loaded(standard: Profile, options, wanted):
    request = Request(server=0, key=(), prompt="x", **options)
    assert wanted_placement(request, HELD, standard.model) == wanted


@pytest.mark.parametrize(
    ("options", "wanted"),
    [({}, Placement(-1, 4096)), ({"num_gpu": 35, "num_ctx": 512}, Placement(35, 2048))],
)
def test_server_defaults_hold_only_when_nothing_is_loaded(standard: Profile, options, wanted):
    request = Request(server=0, key=(), prompt="x", **options)
    assert wanted_placement(request, None, standard.model) == wanted


@pytest.mark.parametrize(("n_characters", "n_tokens"), [(1, 1), (48, 10), (49, 11), (720, 150)])
def test_token_rule(standard: Profile, n_characters: int, n_tokens: int):
    assert count_tokens("x" * n_characters, standard.prefill) == n_tokens


@pytest.mark.parametrize(
    ("n_shared", "n_cached"), [(0, 0), (153, 0), (154, 32), (480, 100), (720, 149)]
)
def test_cache_needs_a_common_beginning(standard: Profile, n_shared: int, n_cached: int):
    """A nonce at the start must defeat the cache; one at the end would not."""
    last = "x" * n_shared + "a" * (720 - n_shared)
    prompt = "x" * n_shared + "b" * (720 - n_shared)
    assert cached_tokens(prompt, last, standard.prefill) == n_cached

"""What a server holds: when a request reloads the model, when it expires, what its cache keeps.

Here: rules about one resident model, as pure functions and a small record. How long a load takes is
chance (`draws.py`) and when it happens is the world's business.
"""

import math
from dataclasses import dataclass, field

from dualollama_pipeline.simulator.call import Request
from dualollama_pipeline.simulator.profile import ModelCard, Prefill

AUTO_NUM_GPU = -1
"""What Ollama holds when nobody named a number of layers: all that fit, here all."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The two options that a loaded model is bound to; another value of either reloads it."""

    num_gpu: int
    num_ctx: int


@dataclass(slots=True)
class Resident:
    """A loaded model. `expires_ns` is None while a call uses it."""

    placement: Placement
    keep_alive_ns: int
    expires_ns: int | None = None
    prompts: list[str] = field(default_factory=list)

    def is_expired(self, now_ns: int) -> bool:
        """Whether its keep-alive has run out while it lay idle."""
        return self.expires_ns is not None and now_ns >= self.expires_ns

    def take(self, prompt: str, prefill: Prefill, n_slots: int) -> int:
        """Read a prompt into the slot that knows most of it; return the tokens it had already."""
        known = [cached_tokens(prompt, each, prefill) for each in self.prompts]
        if len(known) < n_slots and not any(known):
            self.prompts.append(prompt)
            return 0
        best = known.index(max(known))
        del self.prompts[best]  # the next to be forgotten is the one not read for longest
        self.prompts.append(prompt)
        return known[best]


def wanted_placement(request: Request, held: Placement | None, model: ModelCard) -> Placement:
    """The placement a request needs: an absent option keeps what is loaded, as in Ollama.

    That is why a "default" call after one with options silently runs with those options.
    """
    base = held or Placement(num_gpu=AUTO_NUM_GPU, num_ctx=model.default_num_ctx)
    num_gpu, num_ctx = base.num_gpu, base.num_ctx
    if request.num_gpu is not None and request.num_gpu >= 0:
        num_gpu = request.num_gpu
    if request.num_ctx is not None:
        num_ctx = min(max(request.num_ctx, model.minimum_num_ctx), model.trained_num_ctx)
    return Placement(num_gpu=num_gpu, num_ctx=num_ctx)


def count_tokens(text: str, prefill: Prefill) -> int:
    """Tokens of a text by the fixed rule: characters / 4.8, rounded up.

    The original runs never recorded the count, so this is a stated rule and not a measurement.
    """
    # The tiny subtraction keeps an exact multiple from being rounded up by the division's error.
    return math.ceil(len(text) / prefill.characters_per_token - 1e-9)


def cached_tokens(prompt: str, last_prompt: str, prefill: Prefill) -> int:
    """Tokens of the prompt's beginning that the model has just read; 0 below the minimum."""
    n_shared = math.floor(
        _shared_characters(prompt, last_prompt) / prefill.characters_per_token + 1e-9
    )
    if n_shared < prefill.min_cached_tokens:
        return 0
    # The last token is always read again: its result is where the answer starts.
    return min(n_shared, count_tokens(prompt, prefill) - 1)


def _shared_characters(one: str, other: str) -> int:
    for index, (x, y) in enumerate(zip(one, other, strict=False)):
        if x != y:
            return index
    return min(len(one), len(other))


def prefill_work_ms(n_tokens: int, n_cached: int, prefill: Prefill) -> float:
    """Solo GPU work of reading a prompt: a fixed part plus the tokens not in the cache."""
    fixed_ms = prefill.cached_fixed_ms if n_cached else prefill.fixed_ms
    return fixed_ms + prefill.per_token_ms * (n_tokens - n_cached)


def cut_to(prompt: str, n_tokens: int, prefill: Prefill) -> str:
    """The end of a prompt that does not fit, as Ollama keeps it: about `n_tokens` tokens."""
    return prompt[-math.floor(n_tokens * prefill.characters_per_token) :]

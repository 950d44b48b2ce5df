"""What chance decides about one call, drawn once from the call's own generator.

Here: keyed random numbers. Every call draws the same numbers in the same order, needed or not, so
that no branch of the model shifts another's chance, and a resumed run draws what an undisturbed one
would.
"""

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from dualollama_pipeline.simulator.profile import LogNormal, Normal, Profile

NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000
_N_NORMALS = 7


@dataclass(frozen=True, slots=True)
class Draws:
    """Durations and lengths of one call, before the world says which of them apply."""

    load_warm_ns: int
    reload_one_ns: int
    reload_both_ns: int
    token_work_ns: float
    token_overhead_ns: float
    short_prompt_tokens: int
    long_prompt_tokens: int
    long_prompt_default_ctx_tokens: int
    is_runaway: bool
    is_repetition: bool
    text_seed: int
    stop_chance: float
    stop_place: float

    def resized(self, size: float) -> Self:
        """The same for a model `size` times the profile's: reading its weights takes as long."""
        return replace(
            self,
            reload_one_ns=round(self.reload_one_ns * size),
            reload_both_ns=round(self.reload_both_ns * size),
            token_work_ns=self.token_work_ns * size,
            token_overhead_ns=self.token_overhead_ns * size,
        )


def draw(profile: Profile, key: tuple[str, ...], *, is_first: bool) -> Draws:
    """Draw for the call that `key` (trial, agent, stage) names."""
    seed_text = "\x1f".join((str(profile.seed), *key))
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(seed_text.encode()).digest()))
    z = [float(value) for value in rng.standard_normal(_N_NORMALS)]
    u = float(rng.random())
    load, decode, accidents = profile.loading, profile.decode, profile.accidents
    runaway_below = 0.0 if is_first else accidents.runaway_per_following_call
    repetition_below = 0.0 if is_first else accidents.repetition_per_following_call
    floor_ms = load.reload_floor_ms
    warm_ms = load.warm_first_ms if is_first else load.warm_following_ms
    solo_ns = _NS_PER_S / profile.gpu.solo_tok_per_s
    return Draws(
        load_warm_ns=round(_lognormal(warm_ms, z[0]) * NS_PER_MS),
        # One z for both: a slow disk is slow whether one server reads from it or two.
        reload_one_ns=round(max(floor_ms, _normal(load.reload_one_ms, z[1])) * NS_PER_MS),
        reload_both_ns=round(max(floor_ms, _normal(load.reload_both_ms, z[1])) * NS_PER_MS),
        token_work_ns=solo_ns * math.exp(decode.work_ln_sigma * z[2]),
        token_overhead_ns=max(0.0, _normal(decode.overhead_ms_per_token, z[3])) * NS_PER_MS,
        short_prompt_tokens=max(1, round(_lognormal(decode.short_prompt_tokens, z[4]))),
        long_prompt_tokens=max(1, round(_normal(decode.long_prompt_tokens, z[5]))),
        long_prompt_default_ctx_tokens=max(
            1, round(_normal(decode.long_prompt_default_ctx_tokens, z[6]))
        ),
        is_runaway=u < runaway_below,
        is_repetition=runaway_below <= u < runaway_below + repetition_below,
        text_seed=int(rng.integers(2**63)),
        stop_chance=float(rng.random()),
        stop_place=float(rng.random()),
    )


def _normal(distribution: Normal, z: float) -> float:
    return distribution.mean + distribution.sd * z


def _lognormal(distribution: LogNormal, z: float) -> float:
    return math.exp(distribution.ln_mu + distribution.ln_sigma * z)

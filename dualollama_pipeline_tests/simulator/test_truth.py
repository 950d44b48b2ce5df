"""The trap: a truth that was copied from a document instead of computed from the model."""

import pytest

from dualollama_pipeline.simulator.profile import Profile
from dualollama_pipeline.simulator.truth import block_walls, noise_free_walls, true_speedup

OPTIONS = {"num_gpu": 80, "num_ctx": 2048}


def test_walls_by_hand(round_profile: Profile):
    """One stage, 1000 characters, 10 tokens: 368 ms alone, 608 ms together (see test_world)."""
    walls_s = noise_free_walls(round_profile, OPTIONS, OPTIONS, [(1000, 10)])
    assert walls_s == pytest.approx(
        {"solo_collector": 0.368, "solo_insight": 0.368, "apart": 0.608, "shared": 0.736}
    )
    assert true_speedup(walls_s, "apart") == pytest.approx(0.736 / 0.608)
    assert true_speedup(walls_s, "shared") == pytest.approx(1.0)


def test_longer_answers_gain_less(standard: Profile):
    """Two streams share a GPU at 76 %, and only the fixed load times gain from running together."""
    speedups = [
        true_speedup(noise_free_walls(standard, OPTIONS, OPTIONS, [(720, n)] * 2), "apart")
        for n in (128, 300, 512)
    ]
    assert speedups == sorted(speedups, reverse=True)
    assert [round(s, 2) for s in speedups] == [0.87, 0.83, 0.81]


def test_switching_options_on_one_server_reloads(round_profile: Profile):
    """Two agents with other layers on one server pay a reload at each switch."""
    other = {"num_gpu": 60, "num_ctx": 2048}
    walls_s = noise_free_walls(round_profile, OPTIONS, other, [(1000, 10)])
    # 368 of A, then 4000 instead of 200 for B's load.
    assert walls_s["shared"] == pytest.approx(0.368 + 4.0 + 0.063 + 0.105)
    assert walls_s["apart"] == pytest.approx(0.608)


def test_a_seed_is_a_block_and_each_arm_is_drawn_anew(standard: Profile):
    """With one draw for all arms the noise would cancel in the ratio, and no interval be tested."""
    stages = [(720, 300)] * 2
    one, same, other = (
        block_walls(standard.model_copy(update={"seed": seed}), OPTIONS, OPTIONS, stages)
        for seed in (1, 1, 2)
    )
    assert one == same
    assert all(one[arm] != other[arm] for arm in one)
    quiet = noise_free_walls(standard, OPTIONS, OPTIONS, stages)
    assert len({round(one[arm] / quiet[arm], 9) for arm in one}) == len(one)

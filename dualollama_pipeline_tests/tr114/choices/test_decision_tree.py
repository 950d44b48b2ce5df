"""The report's tree and guide: its own answers, and those that it leaves open."""

from __future__ import annotations

from itertools import product

import pytest

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.study import Study
from dualollama_pipeline.tr114.choices.decision_tree import (
    APPROACHES,
    LEAVES,
    NEEDS,
    PRIORITIES,
    advise,
    choose_approach,
)


@pytest.mark.parametrize(
    ("vram_gb", "priority", "leaf"),
    [
        (8, "latency", "tier3"), (8, "cost", "homo512"),
        (12, "quality", "tier2"), (12, "performance", "tier1"),
    ],
)  # fmt: skip
def test_the_four_answers_of_the_report(vram_gb: float, priority: str, leaf: str) -> None:
    advice = advise(vram_gb, priority)
    assert (advice.leaf.name, advice.is_published, advice.reason) == (leaf, True, "")


@pytest.mark.parametrize(
    ("vram_gb", "priority", "leaf"),
    [
        (8, "", "tier3"), (8, "quality", "tier3"), (8, "performance", "tier3"),
        (12, "", "tier2"), (12, "latency", "tier2"), (12, "cost", "homo512"),
    ],
)  # fmt: skip
def test_what_the_report_leaves_open_is_decided_and_says_so(
    vram_gb: float, priority: str, leaf: str
) -> None:
    advice = advise(vram_gb, priority)
    assert (advice.leaf.name, advice.is_published) == (leaf, False)
    assert advice.reason


def test_exactly_ten_is_too_little() -> None:
    """The report has `< 10` and `> 10`."""
    at, above = advise(10.0, "latency"), advise(10.000001, "latency")
    assert (at.leaf.name, above.leaf.name) == ("tier3", "tier2")
    assert "exactly 10 GB is left open" in at.reason
    assert not at.is_published


def test_every_branch_has_an_answer_that_the_matrix_holds(matrix: Study) -> None:
    for vram_gb, priority in product((0.1, 10, 1000), ("", *PRIORITIES)):
        assert advise(vram_gb, priority).leaf.name in LEAVES
    for leaf in LEAVES.values():
        assert set(leaf.config_ids) <= set(matrix.config_ids)
    assert {matrix.get(c).of("insight").num_ctx for c in LEAVES["homo512"].config_ids} == {512}


@pytest.mark.parametrize(
    ("vram_gb", "priority", "said"),
    [
        (0, "", "vram_gb = 0"),
        (-1, "", "vram_gb = -1"),
        (float("nan"), "", "vram_gb = nan"),
        (float("inf"), "", "vram_gb = inf"),
        (8, "speed", "priority = 'speed'"),
    ],
)
def test_bad_questions_are_refused(vram_gb: float, priority: str, said: str) -> None:
    with pytest.raises(InputError, match="way out") as error:
        advise(vram_gb, priority)
    assert said in error.value.problem


def test_the_choice_guide() -> None:
    """Two needs for Rust, one for Python; a tie names both; none is section 10.4's start."""
    chosen = choose_approach(["low_cost", "type_safety", "ecosystem", "low_cost"])
    assert chosen.approaches == ("rust",)
    assert chosen.speaks_for["python"] == ("libraries and integration",)
    assert len(chosen.speaks_for["rust"]) == 2
    assert chosen.is_cost_open
    tie = choose_approach(["performance", "python_team"])
    assert (tie.approaches, tie.is_cost_open) == (("python", "hybrid"), False)
    assert choose_approach([]).approaches == ("python",)
    with pytest.raises(InputError, match="no such need"):
        choose_approach(["luck"])


def test_the_guide_is_whole() -> None:
    """Section 10.3 has five reasons for each approach."""
    assert [sum(need.approach == name for need in NEEDS) for name in APPROACHES] == [5, 5, 5]

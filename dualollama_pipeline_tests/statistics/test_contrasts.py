"""Contrasts: the numbers by hand, the families, and what stands apart.

The trap: a verdict that its n, its family or its data cannot bear.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dualollama_pipeline.metrics.catalog import (
    APART_AGAINST_SHARED,
    APART_SPEEDUP,
    BALANCE,
    SHARED_SPEEDUP,
)
from dualollama_pipeline.statistics.contrasts import contrasts
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline_tests.statistics.campaign import joined, one, rows

LOGS = [-0.02, -0.01, 0.0, 0.01, 0.02]  # sd sqrt(0.001 / 4), se 0.01 / sqrt(2)
SE = 0.01 / math.sqrt(2)


def around(centre: float) -> list[float]:
    return [float(np.exp(math.log(centre) + value)) for value in LOGS]


def made(*parts: pd.DataFrame) -> pd.DataFrame:
    return conform("contrasts", contrasts(joined(*parts)))


def test_a_configuration_against_one_after_the_other() -> None:
    """Paired t on the logs of block ratios: t = ln 0.9 / (0.0158 / sqrt 5), 4 degrees."""
    found = one(made(rows("a", around(0.9))), contrast="apart against in turn", scope="class")
    half = 2.776445 * SE
    assert found["value"] == pytest.approx(0.9)
    assert found["ci_low"] == pytest.approx(0.9 * math.exp(-half), rel=1e-6)
    assert found["ci_high"] == pytest.approx(0.9 * math.exp(half), rel=1e-6)
    assert found["p_value"] == pytest.approx(2 * stats.t.sf(-math.log(0.9) / SE, 4))
    assert (found["no_effect"], found["margin"], found["unit"]) == (1.0, 1.02, "x")
    assert (found["n"], found["n_classes"], found["n_family"]) == (5, 1, 1)
    assert found["smallest_p"] == pytest.approx(0.0625)
    assert found["cliffs_delta"] == -1.0
    assert math.isnan(found["p_rank"])  # rank tests are for pooled blocks
    assert math.isnan(found["hodges_lehmann"])  # and need six
    assert found["verdict"] == "worse"
    assert (found["subject"], found["configurations"]) == ("a", "a")
    assert (found["batches"], found["evidence"]) == ("night1", "measured")


def test_the_detectable_effect_stands_beside_it() -> None:
    """n_needed finds the margin with power 0.8, and lets a rank test speak: at least 6."""
    found = one(made(rows("a", around(1.01))), scope="class")
    freedom, needed = 4, math.log(1.02)
    power = stats.nct.sf(2.776445, freedom, needed / SE) + stats.nct.cdf(
        -2.776445, freedom, needed / SE
    )
    assert found["power_at_margin"] == pytest.approx(power, rel=1e-5)
    least = math.log(found["mde"])
    assert stats.nct.sf(2.776445, freedom, least / SE) == pytest.approx(0.8, abs=1e-4)
    assert found["n_needed"] == 8  # sd 0.0158: 0.0198 / 0.0158 = 1.25 sd
    assert found["verdict"] == "undetermined"  # n = 5 cannot reach 0.05 without a distribution
    assert "0.062" in found["verdict_reason"]


def test_many_blocks_within_the_margin_are_equivalent() -> None:
    """Not shown to differ is not yet equal; within 2 % by two one-sided tests is."""
    found = one(made(rows("a", around(1.001) * 6)), scope="class")
    assert found["verdict"] == "equivalent"
    assert found["p_equivalence"] < 0.05 < found["p_adjusted"]


def test_holm_within_the_classes() -> None:
    """Three classes are one family; the headline is another."""
    table = made(rows("a", around(0.9)), rows("b", around(1.03)), rows("c", around(1.0)))
    family = table[table["family"].eq("apart against in turn, classes")]
    p = dict(zip(family["subject"], family["p_value"], strict=True))
    adjusted = dict(zip(family["subject"], family["p_adjusted"], strict=True))
    assert set(family["n_family"]) == {3}
    assert adjusted["a"] == pytest.approx(3 * p["a"])
    assert adjusted["b"] == pytest.approx(2 * p["b"])
    assert adjusted["c"] == pytest.approx(p["c"])
    headline = one(table, family="headline")
    assert headline["p_adjusted"] == pytest.approx(headline["p_value"])
    assert headline["n_classes"] == 3


def test_the_headline_is_three_comparisons() -> None:
    """Two servers, one server, and one against the other are read together."""
    table = made(
        *(
            rows("a", around(0.9), key)
            for key in (APART_SPEEDUP, SHARED_SPEEDUP, APART_AGAINST_SHARED)
        )
    )
    assert set(table.loc[table["family"].eq("headline"), "n_family"]) == {3}


def test_reloading_configurations_stand_apart() -> None:
    """The headline of two servers against one is about sharing, not about loading a model."""
    table = made(
        rows("a", around(1.3), APART_AGAINST_SHARED),
        rows("b", around(2.6), APART_AGAINST_SHARED, pools=False),
    )
    headline = one(table, family="headline")
    assert headline["value"] == pytest.approx(1.3)
    assert (headline["n"], headline["n_left_out"]) == (5, 5)
    apart = one(table, family="apart against shared, reloading")
    assert apart["value"] == pytest.approx(2.6)
    classes = table[table["scope"].eq("class")]
    assert list(classes["subject"]) == ["a", "b, reloading on one server"]


def test_equal_configurations_are_one_class() -> None:
    """test004, 016 and 104 ask for the same thing: three times the blocks, one condition."""
    table = made(
        rows("a", around(0.9), effective_class="x"),
        rows("b", around(0.9), effective_class="x", batch_id="night2"),
    )
    found = one(table, scope="class")
    assert (found["subject"], found["n"], found["n_classes"]) == ("x", 10, 1)
    assert found["configurations"] == "a b"
    assert found["null_reason"] == ""  # each from a latest batch of its own
    assert found["hodges_lehmann"] == pytest.approx(0.9)


def test_scenarios_against_each_other() -> None:
    """Difference of stratified means: ln 1.1, variance twice 1/4 (SE^2 + SE^2) each side."""
    table = made(
        rows("a", around(0.9 * 1.1), scenario="s1"),
        rows("b", around(1.8 * 1.1), scenario="s1"),
        rows("c", around(0.9), scenario="s2"),
        rows("d", around(1.8), scenario="s2"),
    )
    found = one(table, scope="scenario pair", key=APART_SPEEDUP)
    assert found["value"] == pytest.approx(1.1)
    half = stats.t.ppf(0.975, 16) * math.sqrt(4 * SE**2 / 4)  # equal parts: 4 x 4 degrees
    assert math.log(found["ci_high"] / found["value"]) == pytest.approx(half)
    assert (found["subject"], found["reference"]) == ("s1", "s2")
    assert found["configurations"] == "a b / c d"
    assert found["hodges_lehmann"] == pytest.approx(1.1)
    # of 100 pairs: a and b against c all above, a against d all below, b against d all above
    assert found["cliffs_delta"] == pytest.approx((25 + 25 + 25 - 25) / 100)
    assert found["p_rank"] < 0.05
    assert found["verdict"] == "better"


def test_a_difference_in_percentage_points() -> None:
    """Balance efficiency is no ratio: 1 pp of margin, 0 is no effect."""
    table = made(
        rows("a", [95.0, 96.0, 97.0, 98.0, 99.0], BALANCE, scenario="s1"),
        rows("b", [96.0, 97.0, 98.0, 99.0, 100.0], BALANCE, scenario="s2"),
    )
    found = one(table, scope="scenario pair")
    assert found["value"] == pytest.approx(-1.0)
    assert (found["no_effect"], found["margin"], found["unit"]) == (0.0, 1.0, "%")


def test_a_scenario_without_values_is_undetermined() -> None:
    """Every block failed: that is no "no difference"."""
    table = made(
        rows("a", around(0.9), scenario="s1"),
        rows("b", [math.nan] * 5, scenario="s2", counts=False, pools=False),
    )
    found = one(table, scope="scenario pair")
    assert math.isnan(found["value"])
    assert (found["verdict"], found["null_reason"]) == ("undetermined", "no block counts")
    assert one(table, scope="class", subject="b")["verdict"] == "undetermined"


def test_equal_blocks_are_undetermined() -> None:
    """Zero variance: scipy's tests answer nan or 0, neither of which is knowledge."""
    found = one(made(rows("a", [0.9] * 5)), scope="class")
    assert found["verdict"] == "undetermined"
    assert "equal" in found["verdict_reason"]
    assert found["n_needed"] == 5


def test_simulated_data_is_marked_as_illustration() -> None:
    """A verdict on a simulator supports nothing about real servers."""
    table = made(rows("a", around(0.9), origin="simulated"))
    assert set(table["evidence"]) == {"illustration"}


def test_unlike_prompt_shares_are_no_difference_of_the_servers() -> None:
    """Prompts may share a GPU worse than decoding: that alone makes one scenario look slower."""
    alike = (rows("a", around(0.9)), rows("b", around(1.1), scenario="chimera_hetero"))
    unlike = (*alike[:1], alike[1].assign(prompt_share=0.25))
    for parts, verdict in ((alike, {"better", "worse"}), (unlike, {"undetermined"})):
        found = one(made(*parts), contrast="scenario against scenario")
        assert found["verdict"] in verdict
    assert "prompt work differ by 0.15" in found["verdict_reason"]
    against = made(rows("a", around(1.2), APART_AGAINST_SHARED, prompt_share=0.2))
    assert one(against, scope="class")["verdict"] == "undetermined"


def test_more_than_the_agents_can_gain_is_impossible() -> None:
    """A cold baseline gave 5.08 x with an interval on the first screen."""
    for centre, verdict in ((2.1, "undetermined"), (2.02, "better")):
        found = one(made(rows("a", around(centre))), scope="class")
        assert found["verdict"] == verdict
    cold = one(made(rows("a", around(5.08))), scope="class")
    assert math.isnan(cold["value"])
    assert cold["null_reason"].startswith("impossible: 5.08 is more than 2 agents can gain")

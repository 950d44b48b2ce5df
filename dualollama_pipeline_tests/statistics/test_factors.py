"""Factor effects: matched pairs of the matrix.

The trap: an effect of num_ctx that is the effect of what else was set.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.core.study import Study, load_study
from dualollama_pipeline.statistics.factors import (
    BY_DEFINITION,
    factor_effects,
    find_factors,
    written,
)
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline_tests.statistics.campaign import joined, one, rows

MATRIX = Path(__file__).resolve().parents[2] / "data" / "studies" / "tr114" / "study.yaml"
NOISE = np.exp([-0.02, -0.01, 0.0, 0.01, 0.02])


def matrix(**options: tuple[dict[str, float], dict[str, float]]) -> Study:
    """Configurations of equal or unequal agents, by id."""
    return Study.model_validate(
        {
            "configurations": [
                {
                    "config_id": name,
                    "scenario": "chimera_homo" if a == b else "chimera_hetero",
                    "collector": a,
                    "insight": b,
                }
                for name, (a, b) in options.items()
            ]
        }
    )


def option(gpu: int, ctx: int) -> dict[str, float]:
    return {"num_gpu": gpu, "num_ctx": ctx, "temperature": 0.8}


def homo(gpu: int, ctx: int) -> tuple[dict[str, float], dict[str, float]]:
    return option(gpu, ctx), option(gpu, ctx)


SQUARE = matrix(a=homo(60, 512), b=homo(80, 512), c=homo(60, 1024), d=homo(80, 1024))


def values(**levels: float) -> pd.DataFrame:
    return joined(*(rows(name, list(level * NOISE)) for name, level in levels.items()))


def test_an_effect_is_the_mean_over_matched_pairs() -> None:
    """60 > 80 is 10 % at 512 and 21 % at 1024: sqrt(1.1 x 1.21); num_ctx apart from it."""
    made = factor_effects(values(a=1.0, b=1.1, c=2.0, d=2.42), SQUARE)
    found = one(conform("factor_effects", made), factor="num_gpu")
    assert found["value"] == pytest.approx(math.sqrt(1.1 * 1.21))
    assert (found["level_from"], found["level_to"], found["n_pairs"]) == ("60/60", "80/80", 2)
    assert found["pairs"] == "a>b c>d"
    assert (found["n"], found["n_classes"]) == (20, 4)
    ctx = one(made, factor="num_ctx")
    assert ctx["value"] == pytest.approx(math.sqrt(2.0 * 2.2))
    assert {found["n_family"], ctx["n_family"]} == {2}


def test_an_unmatched_configuration_does_not_speak() -> None:
    """80 layers only at 1024: the mean over levels would be the effect of num_ctx."""
    found = factor_effects(values(a=1.0, d=9.0), matrix(a=homo(60, 512), d=homo(80, 1024)))
    assert len(conform("factor_effects", found)) == 0


def test_weights_are_by_pair_and_not_by_block() -> None:
    """A class of twenty blocks is no better partner than one of five."""
    made = joined(values(a=1.0, b=1.1, c=2.0), rows("d", list(2.42 * np.tile(NOISE, 4))))
    assert one(factor_effects(made, SQUARE), factor="num_gpu")["value"] == pytest.approx(
        math.sqrt(1.1 * 1.21)
    )


def test_equal_classes_are_pooled_and_paired_once() -> None:
    """Two names of one condition: ten blocks, one pair."""
    twin = matrix(a=homo(60, 512), b=homo(80, 512), e=homo(80, 512))
    made = joined(
        rows("a", list(1.0 * NOISE)),
        rows("b", list(1.1 * NOISE), effective_class="b"),
        rows("e", list(1.3 * NOISE), effective_class="b", batch_id="night0"),
    )
    found = one(factor_effects(made, twin), factor="num_gpu")
    assert found["value"] == pytest.approx(math.sqrt(1.1 * 1.3))
    assert (found["n_pairs"], found["n"], found["n_classes"]) == (1, 15, 2)


def test_levels_that_are_one_condition_are_equivalent_by_definition() -> None:
    """60 and 80 of 35 layers load the same: a difference would be noise with a name."""
    made = joined(
        rows("a", list(1.0 * NOISE), effective_class="x"),
        rows("b", list(1.5 * NOISE), effective_class="x"),
    )
    table = conform("factor_effects", factor_effects(made, SQUARE))
    found = one(table, factor="num_gpu")
    assert (found["verdict"], found["null_reason"]) == ("equivalent", BY_DEFINITION)
    assert (found["n_pairs"], found["n"]) == (0, 0)
    assert math.isnan(found["value"])


def test_asymmetry_is_counted_from_a_fixed_agent() -> None:
    """80/80 against 80/100, across scenarios: the insight agent has 20 layers more."""
    made = matrix(a=homo(80, 512), b=(option(80, 512), option(100, 512)))
    found = one(factor_effects(values(a=1.0, b=1.2), made), factor="num_gpu_asymmetry")
    assert (found["level_from"], found["level_to"], found["scenario"]) == ("0", "+20", "any")
    assert found["value"] == pytest.approx(1.2)


def test_the_matrix_of_the_report() -> None:
    """Temperature has three pairs at 0.6 > 0.8 (512, 1024, 2048) but one at 1.0."""
    found = {
        (factor.name, factor.scenario): {
            tuple(written(level, is_gap=False) for level in change): len(pairs)
            for change, pairs in factor.changes.items()
        }
        for factor in find_factors(load_study(MATRIX))
    }
    temperature = found["temperature", "chimera_homo"]
    # test100 against test015 and test200, test103 against test016 and test104, test106 > test107
    assert temperature == {
        ("0.6/0.6", "0.8/0.8"): 5,
        ("0.6/0.6", "1/1"): 1,
        ("0.8/0.8", "1/1"): 1,
    }
    assert ("temperature", "chimera_hetero") not in found
    assert ("default/60", "default/80") in found["num_gpu", "baseline_vs_chimera"]
    assert ("num_gpu_asymmetry", "any") in found
    assert {name for name, _ in found} == {
        "num_gpu", "num_ctx", "temperature", "num_gpu_asymmetry", "num_ctx_asymmetry",
    }  # fmt: skip


def test_whatever_differs_is_a_factor() -> None:
    """Of a user's study nobody knows beforehand what varies: a model, thinking, slots."""
    slots = {"environment": {"OLLAMA_NUM_PARALLEL": 2}}
    study = Study.model_validate(
        {
            "configurations": [
                {"id": "plain"},
                {"id": "small", "insight": {"model": "tiny:1b"}},
                {"id": "thinks", "collector": {"think": True}},
                {"id": "slots", "servers": {"a": slots}},
                {"id": "two-things", "servers": {"a": slots}, "insight": {"model": "tiny:1b"}},
            ]
        }
    )
    found = {
        factor.name: {
            tuple(written(level, is_gap=False) for level in change): pairs
            for change, pairs in factor.changes.items()
        }
        for factor in find_factors(study)
    }
    assert found == {
        "model": {
            ("default/default", "default/tiny:1b"): [("plain", "small"), ("slots", "two-things")]
        },
        "think": {("default/default", "on/default"): [("plain", "thinks")]},
        "OLLAMA_NUM_PARALLEL": {
            ("default/default", "2/default"): [("plain", "slots"), ("small", "two-things")]
        },
    }

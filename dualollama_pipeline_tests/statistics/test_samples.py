"""Samples: which value counts for which metric.

The trap: a value that is there, and must not count.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.core.study import Study
from dualollama_pipeline.metrics.catalog import METRICS
from dualollama_pipeline.statistics.samples import COLUMNS, collect_samples, option_classes

WHERE = {
    "origin": "measured",
    "batch_id": "batch1",
    "config_id": "test1",
    "scenario": "chimera_homo",
}
OF_RUNS = [metric.name for metric in METRICS if metric.table == "run_table"]
RATES = [metric for metric in METRICS if metric.scale == "rate"]
VALUES = [name for name in OF_RUNS if name not in {metric.name for metric in RATES}]
FLAGS = [str(metric.column) for metric in RATES]
OF_BLOCKS = [metric.name for metric in METRICS if metric.table == "block_table"]
OF_SINGLE = [name for name in OF_BLOCKS if "shared" in name]


def run(**changes: Any) -> dict[str, Any]:
    """A sound dual trial; every metric has the value 1.5."""
    sound: dict[str, Any] = {**WHERE, "arm": "apart", "status": "ok", "validity": "VALID"}
    return sound | dict.fromkeys(VALUES, 1.5) | dict.fromkeys(FLAGS, True) | changes


def block(**changes: Any) -> dict[str, Any]:
    """A sound block; every metric has the value 0.75."""
    flags = ("in_dual_estimate", "in_single_estimate")
    work = {"dual_prompt_share": 0.3, "single_prompt_share": 0.1}
    work |= {"dual_exact_speedup": 0.75, "single_exact_speedup": 0.75}
    counts = {**dict.fromkeys(flags, True), **work, "n_single_reloads": 0}
    return {**WHERE, **counts} | dict.fromkeys(OF_BLOCKS, 0.75) | changes


def samples(
    runs: list[dict[str, Any]] | None = None, blocks: list[dict[str, Any]] | None = None
) -> pd.DataFrame:
    made = collect_samples(pd.DataFrame(runs or [run()]), pd.DataFrame(blocks or [block()]))
    return made.set_index("metric", drop=False)


def test_a_sound_row_counts_and_pools_for_every_metric() -> None:
    """A metric that is forgotten here is in no table, and nobody misses it."""
    made = samples()
    assert list(made.columns) == COLUMNS
    assert list(made["metric"]) == [metric.name for metric in METRICS]
    assert made["counts"].all()
    assert made["pools"].all()
    assert set(made.loc[VALUES, "value"]) == {1.5}
    assert set(made.loc[[metric.name for metric in RATES], "value"]) == {100.0}
    assert set(made.loc[OF_BLOCKS, "value"]) == {0.75}
    assert set(made["config_id"]) == {"test1"}


@pytest.mark.parametrize("arm", ["solo_collector", "solo_insight", "shared"])
def test_the_reports_figures_are_those_of_dual(arm: str) -> None:
    """Published efficiencies are of two servers; `single` is as balanced, for other reasons."""
    made = samples([run(), run(arm=arm)])
    assert len(made) == len(METRICS)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"validity": "WARN"}, True),
        ({"validity": "INVALID"}, False),
        ({"status": "failed"}, False),
        ({"status": "interrupted"}, False),
        (dict.fromkeys([*VALUES, *FLAGS], np.nan), False),
    ],
)
def test_trials_that_do_not_count_are_kept_as_rows(changes: dict[str, Any], counts: bool) -> None:
    """Left out of the samples they could not be counted as left out."""
    made = samples([run(**changes)])
    assert (made.loc[OF_RUNS, "counts"] == counts).all()
    assert (made.loc[OF_RUNS, "pools"] == counts).all()
    assert made.loc[OF_BLOCKS, "counts"].all()


def test_a_block_that_is_out_for_dual_still_counts_for_single() -> None:
    """And the contrast of the two needs both."""
    made = samples(blocks=[block(in_dual_estimate=False)])
    counting = {name for name in OF_BLOCKS if made.loc[name, "counts"]}
    assert counting == set(OF_SINGLE) - {"dual_against_single"}
    made = samples(blocks=[block(in_single_estimate=False)])
    counting = {name for name in OF_BLOCKS if made.loc[name, "counts"]}
    assert counting == set(OF_BLOCKS) - set(OF_SINGLE)


def test_what_rests_on_single_pools_only_without_reloads() -> None:
    """A reload is the price of two option sets on one server, not of sharing it."""
    made = samples(blocks=[block(n_single_reloads=1)])
    assert made["counts"].all()
    assert {name for name in made["metric"] if not made.loc[name, "pools"]} == set(OF_SINGLE)


def test_a_block_that_happened_not_to_reload_is_not_pooled_either() -> None:
    """Which blocks reload hangs on the order of the arms: the others are a biased part."""
    blocks = [block(n_single_reloads=n) | {"config_id": "usual"} for n in (1, 1, 0)]
    blocks += [block(n_single_reloads=n) | {"config_id": "rare"} for n in (1, 0, 0)]
    made = collect_samples(pd.DataFrame([run()]), pd.DataFrame(blocks))
    single = made[made["metric"] == "single_weighted_speedup"]
    pooled = single.groupby("config_id", observed=True)["pools"].sum()
    assert pooled.to_dict() == {"usual": 0, "rare": 2}  # an accident costs its own block only
    assert single["counts"].all()


def test_a_missing_value_does_not_count_whatever_the_flags_say() -> None:
    """One nan makes a mean nan, or is dropped unseen."""
    made = samples(blocks=[block(dual_true_speedup=np.nan)])
    assert not made.loc["dual_true_speedup", "counts"]
    assert not made.loc["dual_true_speedup", "pools"]
    assert made.loc["dual_weighted_speedup", "counts"]


def test_flags_may_be_pandas_own() -> None:
    """Tables come from Parquet with nullable types."""
    blocks = pd.DataFrame([block(), block(in_dual_estimate=False)]).astype(
        {
            "in_dual_estimate": "boolean",
            "in_single_estimate": "boolean",
            "n_single_reloads": "Int64",
        }
    )
    made = collect_samples(pd.DataFrame([run()]), blocks)
    assert made["counts"].dtype == made["pools"].dtype == np.dtype(bool)
    speedups = made[made["metric"] == "dual_true_speedup"]
    assert list(speedups["counts"]) == [True, False]


def test_unequal_work_counts_and_is_known() -> None:
    """Left out, half of all nights of real models would go; unseen, their interval would lie."""
    made = samples(blocks=[block(dual_exact_speedup=np.nan)])
    assert made.loc["dual_true_speedup", "counts"]
    assert not made.loc["dual_true_speedup", "equal_work"]
    assert made.loc["single_true_speedup", "equal_work"]


def test_prompt_shares_are_those_of_the_arm() -> None:
    """A ratio of two arms holds the difference of theirs."""
    made = samples()
    shares = {name: float(made.loc[name, "prompt_share"]) for name in OF_BLOCKS}
    assert shares["dual_weighted_speedup"] == pytest.approx(0.3)
    assert shares["single_weighted_speedup"] == pytest.approx(0.1)
    assert shares["dual_against_single"] == pytest.approx(0.2)
    assert made.loc[OF_RUNS, "prompt_share"].isna().all()


def test_the_effective_class_comes_from_the_tables_else_from_the_options() -> None:
    """What the servers really ran outweighs what was asked for; unknown is not one class of all."""
    classes = {"test2": "test1"}
    blocks = [
        block(effective_class="35 layers"),
        block(effective_class=None, config_id="test2"),
        block(effective_class="", config_id="test3"),
    ]
    made = collect_samples(pd.DataFrame([run(config_id="test2")]), pd.DataFrame(blocks), classes)
    made = made.set_index("metric", drop=False)
    assert list(made.loc["dual_ideal_speedup", "effective_class"]) == [
        "35 layers",
        "test1",
        "test3",
    ]
    assert made.loc["balance_speedup", "effective_class"] == "test1"
    assert samples().loc["dual_ideal_speedup", "effective_class"] == "test1"


def test_configurations_that_ask_for_the_same_are_one_class() -> None:
    """test004, test016 and test104 differ in their names only; the first one lends its name."""
    options = {"num_gpu": 80, "num_ctx": 512}
    other = {"num_gpu": 60, "num_ctx": 512}
    matrix = Study.model_validate(
        {
            "configurations": [
                {"config_id": name, "scenario": "chimera_homo", "collector": of, "insight": of}
                for name, of in (("a", options), ("b", other), ("c", options))
            ]
        }
    )
    assert option_classes(matrix) == {"a": "a", "b": "b", "c": "a"}

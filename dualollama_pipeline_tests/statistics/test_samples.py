"""Samples: which value counts for which metric.

The trap: a value that is there, and must not count.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.core.study import APART, PAIR, SHARED, Study
from dualollama_pipeline.metrics.catalog import (
    APART_SECONDS,
    BY_NAME,
    METRICS,
    SHARED_SPEEDUP,
    Key,
    key_of,
)
from dualollama_pipeline.statistics.samples import (
    COLUMNS,
    collect_samples,
    of_key,
    option_classes,
)

WHERE = {
    "origin": "measured",
    "batch_id": "batch1",
    "config_id": "test1",
    "scenario": "chimera_homo",
}


def named(key: Key) -> str:
    """A key as text, by which samples are found here."""
    return " ".join(word for word in key if word != "all")


KEYS = [key for metric in METRICS for key in metric.keys([agent.name for agent in PAIR])]
OF_RUNS = [named(key) for key in KEYS if BY_NAME[key.metric].table == "run_table"]
OF_BLOCKS = [named(key) for key in KEYS if BY_NAME[key.metric].table != "run_table"]
OF_SHARED = [named(key) for key in KEYS if SHARED in BY_NAME[key.metric].rests_on(key.arm)]
RATES = [metric for metric in METRICS if metric.scale == "rate"]
VALUES = [each.name for each in METRICS if each.table == "run_table" and each not in RATES]
FLAGS = [str(metric.column) for metric in RATES]
BY_AGENT = [metric.name for metric in METRICS if metric.table == "agent_table"]


def run(**changes: Any) -> dict[str, Any]:
    """A sound trial of two servers; every metric has the value 1.5."""
    sound: dict[str, Any] = {**WHERE, "arm": "apart", "status": "ok", "validity": "VALID"}
    sound |= {"n_agents": 2}
    return sound | dict.fromkeys(VALUES, 1.5) | dict.fromkeys(FLAGS, True) | changes


def block(
    apart: dict[str, Any] | None = None, shared: dict[str, Any] | None = None, **changes: Any
) -> list[dict[str, Any]]:
    """The rows of a sound block, one an arm; every metric has the value 0.75."""
    values = {metric.name: 0.75 for metric in METRICS if metric.table == "block_table"} | {
        "exact_speedup": 0.75
    }
    sound = {**WHERE, **values, "block": 1, "counts": True, "n_reloads": 0, "n_agents": 2}
    return [
        {**sound, "arm": arm, "prompt_share": share} | changes | (own or {})
        for arm, share, own in ((APART, 0.3, apart), (SHARED, 0.1, shared))
    ]


def agents(blocks: pd.DataFrame, **changes: Any) -> pd.DataFrame:
    """Their agents, each with the value 0.75."""
    every = [
        {
            **where,
            "agent": agent.name,
            "server": agent.server,
            **dict.fromkeys(BY_AGENT, 0.75),
            **changes,
        }
        for where in blocks[["batch_id", "config_id", "block", "arm"]].to_dict("records")
        for agent in PAIR
    ]
    return pd.DataFrame(every)


def collected(
    runs: list[dict[str, Any]] | None = None,
    blocks: list[dict[str, Any]] | None = None,
    classes: dict[str, str] | None = None,
) -> pd.DataFrame:
    of_blocks = pd.DataFrame(blocks or block())
    return collect_samples(pd.DataFrame(runs or [run()]), agents(of_blocks), of_blocks, classes)


def samples(*tables: list[dict[str, Any]] | None, **more: Any) -> pd.DataFrame:
    """Samples by their key."""
    made = collected(*tables, **more)
    return made.set_index(pd.Index([named(key_of(row)) for _, row in made.iterrows()]))


def test_a_sound_row_counts_and_pools_for_every_metric() -> None:
    """A metric that is forgotten here is in no table, and nobody misses it."""
    made = samples()
    assert list(made.columns) == COLUMNS
    assert list(made.index) == [named(key) for key in KEYS]
    assert made["counts"].all()
    assert made["pools"].all()
    assert set(made.loc[made["metric"].isin(VALUES), "value"]) == {1.5}
    assert set(made.loc[made["metric"].isin([rate.name for rate in RATES]), "value"]) == {100.0}
    assert set(made.loc[OF_BLOCKS, "value"]) == {0.75}
    assert set(made["config_id"]) == {"test1"}


@pytest.mark.parametrize("arm", ["solo_collector", "solo_insight", "shared"])
def test_the_reports_figures_are_those_of_two_servers(arm: str) -> None:
    """Published efficiencies are of two servers; `shared` is as balanced, for other reasons."""
    made = samples([run(), run(arm=arm)])
    assert len(made) == len(KEYS)


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


def test_a_block_that_is_out_apart_still_counts_shared() -> None:
    """And the contrast of the two needs both: then it is null in its row."""
    made = samples(blocks=block({"counts": False}))
    assert {name for name in OF_BLOCKS if made.loc[name, "counts"]} == set(OF_SHARED) - {
        "against_shared apart"
    }
    made = samples(blocks=block({"against_shared": np.nan}, {"counts": False}))
    counting = {name for name in OF_BLOCKS if made.loc[name, "counts"]}
    assert counting == set(OF_BLOCKS) - set(OF_SHARED)


def test_what_rests_on_one_server_pools_only_without_reloads() -> None:
    """A reload is the price of two option sets on one server, not of sharing it."""
    made = samples(blocks=block(shared={"n_reloads": 1}))
    assert made["counts"].all()
    assert {name for name in made.index if not made.loc[name, "pools"]} == set(OF_SHARED)


def test_a_block_that_happened_not_to_reload_is_not_pooled_either() -> None:
    """Which blocks reload hangs on the order of the arms: the others are a biased part."""
    blocks = [
        row
        for config_id, loads in (("usual", (1, 1, 0)), ("rare", (1, 0, 0)))
        for number, n in enumerate(loads, start=1)
        for row in block(shared={"n_reloads": n}, config_id=config_id, block=number)
    ]
    shared = of_key(collected(blocks=blocks), SHARED_SPEEDUP)
    pooled = shared.groupby("config_id", observed=True)["pools"].sum()
    assert pooled.to_dict() == {"usual": 0, "rare": 2}  # an accident costs its own block only
    assert shared["counts"].all()


def test_a_missing_value_does_not_count_whatever_the_flags_say() -> None:
    """One nan makes a mean nan, or is dropped unseen."""
    made = samples(blocks=block({"true_speedup": np.nan}))
    assert not made.loc["true_speedup apart", "counts"]
    assert not made.loc["true_speedup apart", "pools"]
    assert made.loc["true_speedup shared", "counts"]
    assert made.loc["weighted_speedup apart", "counts"]


def test_an_agent_that_has_no_row_is_a_value_left_out() -> None:
    """Its trial was never attempted: the block is there, and n_left_out must know of it."""
    blocks = pd.DataFrame(block())
    others = agents(blocks)
    gone = others["agent"].eq("insight") & others["arm"].eq(APART)
    made = of_key(
        collect_samples(pd.DataFrame([run()]), others[~gone], blocks),
        Key("slowdown", APART, "insight"),
    )
    assert list(made["counts"]) == [False]
    assert made["value"].isna().all()


def test_flags_may_be_pandas_own() -> None:
    """Tables come from Parquet with nullable types."""
    rows = [*block(), *block({"counts": False}, block=2)]
    blocks = pd.DataFrame(rows).astype({"counts": "boolean", "n_reloads": "Int64"})
    made = collect_samples(pd.DataFrame([run()]), agents(blocks), blocks)
    assert made["counts"].dtype == made["pools"].dtype == np.dtype(bool)
    assert list(of_key(made, APART_SECONDS)["counts"]) == [True, False]


def test_unequal_work_counts_and_is_known() -> None:
    """Left out, half of all nights of real models would go; unseen, their interval would lie."""
    made = samples(blocks=block({"exact_speedup": np.nan}))
    assert made.loc["true_speedup apart", "counts"]
    assert not made.loc["true_speedup apart", "equal_work"]
    assert made.loc["true_speedup shared", "equal_work"]


def test_prompt_shares_are_those_of_the_arm() -> None:
    """A ratio of two arms holds the difference of theirs."""
    made = samples()
    assert made.loc["weighted_speedup apart", "prompt_share"] == pytest.approx(0.3)
    assert made.loc["weighted_speedup shared", "prompt_share"] == pytest.approx(0.1)
    assert made.loc["against_shared apart", "prompt_share"] == pytest.approx(0.2)
    assert made.loc[OF_RUNS, "prompt_share"].isna().all()


def test_the_effective_class_comes_from_the_tables_else_from_the_options() -> None:
    """What the servers really ran outweighs what was asked for; unknown is not one class of all."""
    classes = {"test2": "test1"}
    blocks = [
        *block(effective_class="35 layers"),
        *block(effective_class=None, config_id="test2"),
        *block(effective_class="", config_id="test3"),
    ]
    made = samples([run(config_id="test2")], blocks, classes)
    assert list(made.loc["ideal_speedup apart", "effective_class"]) == [
        "35 layers",
        "test1",
        "test3",
    ]
    assert made.loc["balance_speedup apart", "effective_class"] == "test1"
    assert samples().loc["ideal_speedup apart", "effective_class"] == "test1"


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

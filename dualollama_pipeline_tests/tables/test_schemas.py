"""Schemas: every check broken once, and refused by its name.

The trap: a check between columns that claims nothing where it should, or a column nobody checks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.statistics.schemas import ESTIMATE_TABLES
from dualollama_pipeline.tables.columns import RULES
from dualollama_pipeline.tables.conform import conform, schema_of, schemas
from dualollama_pipeline.tables.schemas import MEASURED_TABLES
from dualollama_pipeline_tests.statistics.campaign import sound_statistics
from dualollama_pipeline_tests.tables.journals import block_of, tables_of

STATISTICS = ("config_statistics", "scenario_statistics", "population_statistics")
# the others are tested with what they are made from: published/, decisions/
OWN = [schema.name for schema in (*MEASURED_TABLES, *ESTIMATE_TABLES)]


@pytest.fixture(scope="module")
def sound() -> dict[str, pd.DataFrame]:
    """Two rows or more of every table, all of them right."""
    tables = tables_of(block_of())
    made = {
        "call_table": tables.calls,
        "cell_table": tables.cells,
        "agent_table": tables.agents,
        "run_table": tables.runs,
        "block_table": pd.concat([tables.blocks, tables.blocks.assign(block=2)]),
    }
    return made | sound_statistics()


def broken(df: pd.DataFrame, **changes: Any) -> pd.DataFrame:
    """The last row with other values; the first ones stay right.

    The last row of `run_table` is a trial of two agents, in which nothing is null.
    """
    made = df.reset_index(drop=True).astype(dict.fromkeys(changes, object))
    for name, value in changes.items():
        made.loc[len(made) - 1, name] = value
    return made


def test_the_sound_tables_pass(sound: dict[str, pd.DataFrame]) -> None:
    """Otherwise every refusal below proves nothing."""
    assert sound.keys() == set(OWN)
    for name, df in sound.items():
        assert len(conform(name, df)) == len(df) >= 2, name


@pytest.mark.parametrize(
    ("table", "changes", "check"),
    [
        ("call_table", {"ttft_ms": 99_999.0}, "ttft_ms <= total_ms"),
        ("call_table", {"n_tokens": None}, "an ok call has its tokens"),
        ("call_table", {"total_ms": None}, "an ok call has its tokens"),
        ("call_table", {"eval_ms": None}, "an ok call has its tokens"),
        ("call_table", {"failure_kind": "oom"}, "an ok call has its tokens"),
        ("call_table", {"status": "failed"}, "a failed call names its kind"),
        ("cell_table", {"n_ok": 9}, "n_planned = n_ok + n_failed"),
        ("agent_table", {"workflow_s": 1.0}, "workflow_s = ingest_s + duration_s"),
        (
            "run_table",
            {"balance_efficiency_pct": 99.0},
            "balance_efficiency_pct = 100 * balance_speedup / n_agents",
        ),
        ("run_table", {"n_agents": 3}, "balance_efficiency_pct = 100 * balance_speedup / n_agents"),
        ("run_table", {"wall_s": 1.0}, "balance_speedup * wall_s = sequential_s"),
        (
            "block_table",
            {"wall_s": 1.0},
            "true_speedup * wall_s = in_turn_s",
        ),
        (
            "block_table",
            {"ideal_speedup": 1.0},
            "true_speedup = ideal_speedup * parallel_efficiency",
        ),
        *[
            (table, changes, "ci_low <= value <= ci_high")
            for table in STATISTICS
            for changes in ({"ci_low": 1.15}, {"ci_high": 1.05}, {"value": 9.0})
        ],
    ],
)
def test_each_check_between_columns(
    sound: dict[str, pd.DataFrame], table: str, changes: dict[str, Any], check: str
) -> None:
    """One wrong row among right ones is enough."""
    with pytest.raises(TableError) as caught:
        conform(table, broken(sound[table], **changes))
    assert table in caught.value.problem
    assert check in caught.value.problem
    assert caught.value.way_out


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("call_table", "origin", "invented"),
        ("call_table", "status", "fine"),
        ("call_table", "validity", "valid"),
        ("block_table", "arm", "solo_collector"),
        ("call_table", "block", 0),
        ("call_table", "attempt", 0),
        ("call_table", "num_gpu", -2),
        ("call_table", "load_ms", -1.0),
        ("agent_table", "n_reloads", -1),
        ("run_table", "n_agents", 0),
        ("run_table", "wall_s", -1.0),
        ("block_table", "counts", None),
        ("block_table", "exclusion_reason", None),
        ("call_table", "batch_id", None),
        ("call_table", "ingest_s", None),
        ("config_statistics", "n", None),
        ("config_statistics", "sd", -0.1),
        ("population_statistics", "origin", "none"),
    ],
)
def test_each_kind_of_column_check(
    sound: dict[str, pd.DataFrame], table: str, column: str, value: object
) -> None:
    """Negative times, unknown words and nulls where there must be a value."""
    with pytest.raises(TableError, match=column):
        conform(table, broken(sound[table], **{column: value}))


def test_kinds_of_failure_are_a_closed_list(sound: dict[str, pd.DataFrame]) -> None:
    """Free text could not be counted."""
    wrong = broken(sound["call_table"], status="failed", failure_kind="bad luck")
    with pytest.raises(TableError, match="failure_kind"):
        conform("call_table", wrong)


def test_two_breaches_are_both_told(sound: dict[str, pd.DataFrame]) -> None:
    """Told one at a time, each costs a run."""
    with pytest.raises(TableError, match="workflow_s") as caught:
        conform("agent_table", broken(sound["agent_table"], workflow_s=1.0, n_reloads=-1))
    assert "n_reloads" in caught.value.problem


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize(
    ("table", "column"),
    [("call_table", "decode_tok_per_s"), ("run_table", "queue_ms"), ("block_table", "wall_s")],
)
def test_infinity_is_refused(
    sound: dict[str, pd.DataFrame], table: str, column: str, value: float
) -> None:
    """A rate over no time at all; every mean with it is infinite."""
    with pytest.raises(TableError, match=column):
        conform(table, broken(sound[table], **{column: value}))


@pytest.mark.parametrize(
    ("column", "value"), [("n_tokens", 300.5), ("n_tokens", "many"), ("wall_s", "long")]
)
def test_values_of_another_type_are_refused(
    sound: dict[str, pd.DataFrame], column: str, value: object
) -> None:
    """Half a token is a mean that got into the wrong column."""
    with pytest.raises(TableError, match="run_table"):
        conform("run_table", broken(sound["run_table"], **{column: value}))


@pytest.mark.parametrize("table", OWN)
def test_unknown_and_missing_columns_are_refused(
    sound: dict[str, pd.DataFrame], table: str
) -> None:
    """Pandera by itself lets an extra column pass. No rows are a legal table: nothing measured."""
    df = sound[table]
    with pytest.raises(TableError, match=r"unknown columns \['extra'\]"):
        conform(table, df.assign(extra=1))
    with pytest.raises(TableError, match=r"missing columns \['origin'\]"):
        conform(table, df.drop(columns="origin"))
    nothing = conform(table, df.iloc[:0])
    assert list(nothing.dtypes) == list(conform(table, df).dtypes)


def test_nulls_claim_nothing(sound: dict[str, pd.DataFrame]) -> None:
    """A failed trial has no figures, and that is no breach."""
    nulls = dict.fromkeys(
        ["wall_s", "sequential_s", "balance_speedup", "balance_efficiency_pct", "ttft_delta_ms"]
    )
    conform("run_table", broken(sound["run_table"], **nulls))
    conform("config_statistics", broken(sound["config_statistics"], ci_low=None, ci_high=None))


def test_columns_get_their_order_and_types(sound: dict[str, pd.DataFrame]) -> None:
    """Whole partitions of nulls would otherwise come back with other types each time."""
    turned = sound["call_table"].iloc[:, ::-1].astype(object)
    made = conform("call_table", turned)
    assert list(made.columns) == list(schemas()["call_table"].columns)
    assert {str(made[name].dtype) for name in ("n_tokens", "http_status", "top_k")} == {"Int64"}
    assert {str(made[name].dtype) for name in ("ttft_ms", "top_p")} == {"float64"}
    assert str(made["is_reload"].dtype) == "boolean"
    assert str(made["failure_text"].dtype) == "string"


@pytest.mark.parametrize("table", schemas())
def test_every_column_says_what_it_is(table: str) -> None:
    """The descriptions are what a user of the UI reads."""
    assert all(column.description for column in schemas()[table].columns.values())


@pytest.mark.parametrize("table", schemas())
def test_every_check_has_its_quick_rule(table: str) -> None:
    """Pandera is only asked where a rule fails: a check that it alone knows would never be made."""
    schema = schema_of(table)
    for part in (schema, *schema.columns.values()):
        assert len(part.checks) == len((part.metadata or {})[RULES]), part.name

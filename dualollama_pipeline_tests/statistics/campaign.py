"""Samples made by hand, one row for each configuration, block and metric; and tables of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dualollama_pipeline.core.study import APART, Study
from dualollama_pipeline.metrics.catalog import APART_SPEEDUP, BALANCE, Key
from dualollama_pipeline.statistics.contrasts import contrasts
from dualollama_pipeline.statistics.estimate import (
    config_statistics,
    population_statistics,
    scenario_statistics,
)
from dualollama_pipeline.statistics.factors import factor_effects
from dualollama_pipeline.statistics.outliers import outliers
from dualollama_pipeline.statistics.samples import COLUMNS, of_key
from dualollama_pipeline.statistics.trend import trend

SLOWDOWN = Key("slowdown", APART, "insight")


def rows(
    config_id: str, values: list[float], key: Key = APART_SPEEDUP, **changes: Any
) -> pd.DataFrame:
    """Sound blocks of one configuration, measured in one night."""
    sound: dict[str, Any] = {
        "origin": "measured",
        "batch_id": "night1",
        "config_id": config_id,
        "effective_class": config_id,
        "scenario": "chimera_homo",
        **key._asdict(),
        "counts": True,
        "pools": True,
        "prompt_share": 0.1,
        "equal_work": True,
        "n_agents": 2,
    }
    each = [
        {**sound, "block": block, "value": value, **changes}
        for block, value in enumerate(values, start=1)
    ]
    return pd.DataFrame(each)[COLUMNS]


def joined(*parts: pd.DataFrame) -> pd.DataFrame:
    """All of them below each other."""
    return pd.concat(parts, ignore_index=True)


def one(table: pd.DataFrame, **where: Any) -> dict[str, Any]:
    """The one row of a table with these values."""
    for name, value in where.items():
        table = of_key(table, value) if isinstance(value, Key) else table[table[name].eq(value)]
    assert len(table) == 1, f"{len(table)} rows with {where}"
    return {str(name): value for name, value in table.iloc[0].items()}


def sound_statistics() -> dict[str, pd.DataFrame]:
    """All tables of the group, two rows or more of each, in every row a value with its interval."""
    matrix = Study.model_validate(
        {
            "configurations": [
                {"config_id": name, "scenario": "chimera_homo", "collector": of, "insight": of}
                for name, of in {
                    "a": {"num_gpu": 60, "num_ctx": 512},
                    "b": {"num_gpu": 80, "num_ctx": 512},
                    "c": {"num_gpu": 80, "num_ctx": 1024},
                }.items()
            ]
        }
    )
    noise = np.exp([-0.02, -0.01, 0.0, 0.01, 0.02, 0.05])
    samples = joined(
        *(
            rows(name, list(level * noise), key, origin="simulated")
            for key in (APART_SPEEDUP, Key("parallel_efficiency", APART))
            for name, level in (("a", 1.1), ("b", 1.12), ("c", 1.09))
        ),
        rows("a", [90.0, 91.0, 96.0, 97.0, 98.0, 99.0], BALANCE, origin="simulated"),
    )
    place = {"config_id": "a", "batch_id": "none", "block": 1, "arm": "apart"}
    runs = pd.DataFrame([{**place, "start_skew_ms": 0.0, "ttft_contention": False}])
    calls = pd.DataFrame(
        [
            {
                **place, "trial_id": "t", "attempt": 1, "agent": "insight", "stage": "report",
                "status": "ok", "failure_kind": None, "done_reason": "length", "n_tokens": 300,
                "total_ms": 1.0, "queue_ms": 0.0, "load_ms": 0.0, "is_reload": False,
                "is_degenerate": False,
            }
        ]
    )  # fmt: skip
    nights = [
        of_key(samples, APART_SPEEDUP).assign(
            batch_id=f"night{night}", value=lambda df, night=night: df["value"] * 1.01**night
        )
        for night in range(7)
    ]
    first_metric = samples[samples["metric"].ne(BALANCE.metric)]
    return {
        "samples": samples,
        "config_statistics": config_statistics(first_metric),
        "scenario_statistics": scenario_statistics(first_metric),
        "population_statistics": population_statistics(first_metric),
        "contrasts": contrasts(of_key(samples, APART_SPEEDUP)),
        "factor_effects": factor_effects(of_key(samples, APART_SPEEDUP), matrix),
        "outliers": outliers(samples, runs, calls),
        "trend": trend(joined(*nights), [f"night{night}" for night in range(7)]),
    }

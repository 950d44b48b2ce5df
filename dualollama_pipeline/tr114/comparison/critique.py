"""What the reported efficiency is, and what the same runs say of the true speedup (METHOD 1).

All from imported runs: the balance identity, the rate of an agent alone from the parts of decodes
that ran without the partner, and the accidents that were counted as data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dualollama_pipeline.core.records import Origin
from dualollama_pipeline.tables.rows import Row
from dualollama_pipeline.tr114.comparison.hypotheses import hypotheses
from dualollama_pipeline.tr114.comparison.jackknife import jackknife
from dualollama_pipeline.tr114.schemas_published import METHOD_CRITIQUE

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANY_CONFIGURATIONS = 10
NAN = float("nan")


def method_critique(runs: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame:
    """Return the table `method_critique`; empty without imported runs."""
    rows: list[Row] = []
    if not runs.empty:
        rates = solo_rates(calls)
        rows = [
            *balance_identity(runs, calls),
            *rates,
            *true_speedup(runs, calls),
            *accidents(runs, calls),
            *hypotheses(runs, calls),
        ]
    filled = [{"origin": Origin.IMPORTED.value, "ci_low": NAN, "ci_high": NAN, **r} for r in rows]
    return pd.DataFrame(filled, columns=list(METHOD_CRITIQUE.columns))


def balance_identity(runs: pd.DataFrame, calls: pd.DataFrame) -> list[Row]:
    """Show that the reported efficiency is 100 - 50 |t_A - t_B| / max, whatever the servers did."""
    reported = runs["reported_efficiency_pct"].to_numpy("float64")
    identity = runs["identity_efficiency_pct"].to_numpy("float64")
    off = float(np.abs(reported - identity).max())
    lengths = _length_difference(runs, calls)
    times = (runs["collector_s"] - runs["insight_s"]).abs().to_numpy("float64")
    known = ~np.isnan(lengths)
    n = len(runs)
    return [
        {
            "finding": "balance identity",
            "item": "largest deviation",
            "value": off,
            "unit": "pp",
            "n": n,
            "statement": f"reported efficiency = 100 - 50 |t_A - t_B| / max to {off:.2g} pp in "
            f"all {n} runs: it says how equal the finish times are, never whether together is "
            "faster",
        },
        {
            "finding": "balance identity",
            "item": "correlation with the identity",
            "value": _correlation(reported, identity),
            "unit": "r",
            "n": n,
            "statement": "Pearson correlation of reported efficiency and identity",
        },
        {
            "finding": "balance identity",
            "item": "correlation of time and answer length",
            "value": _correlation(times[known], lengths[known]),
            "unit": "r",
            "n": int(known.sum()),
            "statement": "finish times differ as the answers' lengths do: |t_A - t_B| against "
            "|n_A - n_B| over runs without a failed call",
        },
    ]


def _correlation(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Return Pearson's r; nan where one side does not vary."""
    if len(left) < 2 or left.std() == 0 or right.std() == 0:  # noqa: PLR2004 a line needs two points
        return NAN
    return float(np.corrcoef(left, right)[0, 1])


def _length_difference(runs: pd.DataFrame, calls: pd.DataFrame) -> NDArray[np.float64]:
    """Return |n_A - n_B| for each run; nan where a call failed."""
    tokens = calls.assign(n_tokens=calls["n_tokens"].astype("float64")).pivot_table(
        index=["config_id", "run_number"],
        columns="role",
        values="n_tokens",
        aggfunc=lambda values: values.sum(skipna=False),
        dropna=False,
    )
    keys = pd.MultiIndex.from_frame(runs[["config_id", "run_number"]])
    pair = tokens.reindex(index=keys, columns=["collector", "insight"])
    return (pair["collector"] - pair["insight"]).abs().to_numpy("float64")


# --- rates alone and together -------------------------------------------------------------------


def _usable(calls: pd.DataFrame) -> pd.DataFrame:
    ok = calls[calls["status"].eq("ok") & calls["n_tokens"].notna()]
    return ok.assign(cluster=_clusters(ok))


def _clusters(rows: pd.DataFrame) -> pd.Series:
    """What is left out at a time: configurations where there are many, else runs."""
    if rows["config_id"].nunique() >= MANY_CONFIGURATIONS:
        return rows["config_id"].astype(str)
    return rows["config_id"].astype(str) + " run " + rows["run_number"].astype(str)


def _rates(calls: pd.DataFrame) -> tuple[float, float]:
    """Return tokens per second (together, alone): least squares of tokens on the two times.

    Formula: n = r_together x t_together + r_alone x t_alone over all calls, no intercept.
    """
    times = calls[["together_s", "alone_s"]].to_numpy("float64")
    tokens = calls["n_tokens"].to_numpy("float64")
    solution, _, rank, _ = np.linalg.lstsq(times, tokens, rcond=None)
    if rank < 2 or (solution <= 0).any():  # noqa: PLR2004 both rates must be seen
        return NAN, NAN
    return float(solution[0]), float(solution[1])


def solo_rates(calls: pd.DataFrame) -> list[Row]:
    """Estimate an agent's rate together and alone, each with a jackknife interval."""
    usable = _usable(calls)
    alone_s = float(usable["alone_s"].sum())
    names = {
        "rate together": ("tok/s", lambda c: _rates(c)[0]),
        "rate alone": ("tok/s", lambda c: _rates(c)[1]),
        "both together over one alone": ("x", lambda c: 2 * _rates(c)[0] / _rates(c)[1]),
    }
    rows = []
    for item, (unit, statistic) in names.items():
        interval = jackknife(usable, statistic)
        rows.append(
            {
                "finding": "rate alone",
                "item": item,
                "value": interval.value,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "unit": unit,
                "n": len(usable),
                "statement": f"least squares over {len(usable)} calls, {alone_s:.0f} s of decoding "
                f"without the partner; wall time{_because(interval.reason)}",
            }
        )
    return rows


def _because(reason: str) -> str:
    return f"; no interval: {reason}" if reason else ""


def true_speedup(runs: pd.DataFrame, calls: pd.DataFrame) -> list[Row]:
    """Estimate together against one after the other, from the rate alone.

    Formula: sum over both agents of (ingest + TTFT + n / r_alone) / wall, geometric mean over runs
    without a failed call, a loop or a cold load. TTFT is taken as it was beside the partner, so the
    estimate errs on the high side.
    """
    usable = _usable(calls)
    clean = runs[runs["is_clean"].astype(bool)]
    if clean.empty:
        return []
    wall_s = clean.set_index(["config_id", "run_number"])["wall_s"].astype("float64")

    def statistic(part: pd.DataFrame) -> float:
        rate = _rates(part)[1]
        alone = part["ttft_ms"] / 1000 + part["n_tokens"].astype("float64") / rate
        by_run = alone.groupby([part["config_id"], part["run_number"]]).sum()
        both = by_run.index.intersection(wall_s.index)
        if both.empty:
            return NAN
        return float(np.exp(np.log(by_run[both] / wall_s[both]).mean()))

    interval = jackknife(usable, statistic)
    return [
        {
            "finding": "true speedup",
            "item": "together against one after the other",
            "value": interval.value,
            "ci_low": interval.low,
            "ci_high": interval.high,
            "unit": "x",
            "n": len(clean),
            "statement": f"estimated from the rate alone over {len(clean)} clean runs; the report "
            f"calls {runs['reported_speedup'].mean():.3f} a speedup. Below 1 is a loss"
            f"{_because(interval.reason)}",
        }
    ]


# --- accidents that were counted as data --------------------------------------------------------


def accidents(runs: pd.DataFrame, calls: pd.DataFrame) -> list[Row]:
    """List failed calls, loops, cold loads and one-sided loads, and what they did to the mean."""
    rows = [_effect_on_mean(runs)]
    for call in calls.astype(object).to_dict("records"):
        where = f"{call['config_id']} run {call['run_number']}, {call['role']} {call['stage']}"
        if call["status"] == "failed":
            rows.append(
                _accident(
                    "failed call counted as data",
                    where,
                    call["reported_tok_per_s"],
                    "tok/s",
                    f"{call['failure_text']}; the mean rate of its agent holds it as "
                    f"{call['reported_tok_per_s']:g} tok/s",
                )
            )
        elif call["is_degenerate"]:
            text = f"{call['n_tokens']} tokens that end in a loop"
            rows.append(_accident("loop", where, call["repetition_ratio"], "x", text))
        if call["is_reload"] is True:
            text = "the model was loaded inside the measured call"
            rows.append(_accident("cold start", where, call["load_ms"], "ms", text))
    for run in runs[runs["is_one_sided_reload"].astype(bool)].to_dict("records"):
        where = f"{run['config_id']} run {run['run_number']}"
        text = "one agent loaded its model while the other worked: no longer the same start"
        rows.append(
            _accident(
                "one-sided reload", where, run["reported_ttft_delta_ms"], "ms TTFT delta", text
            )
        )
    return rows


def _accident(finding: str, item: str, value: float, unit: str, statement: str) -> Row:
    return {
        "finding": finding,
        "item": item,
        "value": float(value),
        "unit": unit,
        "n": 1,
        "statement": statement,
    }


def _effect_on_mean(runs: pd.DataFrame) -> Row:
    reported = float(runs["reported_efficiency_pct"].mean())
    ours = runs["balance_efficiency_pct"].dropna()
    failed = int(runs["status"].eq("failed").sum())
    return {
        "finding": "failed call counted as data",
        "item": "mean efficiency without failed runs",
        "value": float(ours.mean()) if len(ours) else NAN,
        "unit": "%",
        "n": len(ours),
        "statement": f"{failed} of {len(runs)} runs hold a failed call; with them the mean is "
        f"{reported:.4f} %, the sd {runs['reported_efficiency_pct'].std():.4f} pp",
    }

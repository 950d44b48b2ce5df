"""The heading of every column, as the derivations understand it: no column under another's."""

from __future__ import annotations

COMPARED = ("Effect", "Verdict", "p, corrected", "Smallest effect it would find")
TRUE, SINGLE, AGAINST = (
    "Weighted speedup, two servers",
    "Weighted speedup, one server",
    "Two servers against one",
)
RANKING = ("Configuration", "Scenario", "Place", "Mean")

HEADINGS: dict[str, tuple[str, ...]] = {
    "overview": (
        "Configuration", "What it is", TRUE, SINGLE, "Together", "In turn", "Tokens/s", "TTFT",
        "Blocks",
    ),
    "configurations": (
        "Configuration", "Scenario", TRUE, "Place", "Balance efficiency (published)", SINGLE,
        AGAINST, "Blocks",
    ),
    "ranking_weighted_speedup": RANKING,
    "ranking_balance_efficiency_pct": RANKING,
    "best_trials": (
        "Configuration", "Batch, block", "Measure", "Picked", "Its configuration",
    ),
    "scenarios": (
        "Scenario", TRUE, SINGLE, AGAINST, "Balance efficiency", "Spread inside a configuration",
    ),
    "scenario_contrasts": ("Comparison", *COMPARED),
    "contrasts": ("Comparison", *COMPARED),
    "delays": ("Calls", "Quantity", "Median", "P90", "P95", "P99", "Longest"),
    "factors": ("Factor", "From → to", "Metric", *COMPARED),
    "outliers": (
        "Configuration", "Metric", "Value", "Usual (median)", "Cause", "Rule",
        "Estimate with → without",
    ),
    "contention": (
        "Where", "Contention by TTFT (the report's rule)",
        "Contention by balance (its program's rule)", "Contention by slowdown",
    ),
    "nights": (
        "What", "Metric", "Last night", "Against the nights before", "Alarm", "Slope a night",
        "p of a trend, corrected", "Most likely change",
    ),
    "cells": (
        "Arm", "Trials ok", "Failed", "Interrupted or skipped", "Valid, warned, invalid",
        "Calls that loaded the model", "Drift, worst",
    ),
    "reasons": ("Judged", "Guard", "What it saw", "Cells", "Configurations", "Way out"),
    "failures": ("Kind", "Calls", "First text"),
    "appendix_a": (
        "Test", "Scenario", "GPU layers A / B", "Context A / B", "Temperature A / B",
        "Balance speedup, mean", "Balance efficiency, mean", "Peak run", "Contention by balance",
        "Weighted speedup",
    ),
}  # fmt: skip

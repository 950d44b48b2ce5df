"""The columns of the statistics: estimates, contrasts, factor effects, outliers, trend.

Standard deviations have ddof 1; quantiles are linear between order statistics (type 7 of Hyndman
and Fan, numpy's default). What n cannot support is null, and a reason column says why.
"""

from __future__ import annotations

from dualollama_pipeline.core.records import Origin
from dualollama_pipeline.tables.columns import Relation, count, flag, number, table, text

VERDICTS = ("better", "worse", "equivalent", "no difference shown", "undetermined")
EVIDENCE = ("illustration", "measured")

_ORIGIN = {
    "origin": text("simulated, measured or imported", among=Origin),
    "evidence": text("illustration if anything was simulated, else measured", among=EVIDENCE),
}
_KEY = {
    "metric": text("metric of the catalog"),
    "arm": text("arm that the values are of"),
    "agent": text("agent that the values are of, or all"),
}
_VALUE = {
    "value": number("the estimate", least=None),
    "ci_low": number("lower end of the interval", least=None),
    "ci_high": number("upper end of the interval", least=None),
    "level": number("confidence level of the interval", null=False),
    "method": text("how estimate and interval were made"),
    "null_reason": text("why there is no value or no interval; empty if there are both"),
}
_PERCENTILES = {
    f"p{share}": number(f"{share}th percentile; null below n = {least}", least=None)
    for share, least in ((1, 100), (5, 40), (10, 20), (25, 4), (75, 4), (90, 20), (95, 40))
} | {"p99": number("99th percentile; null below n = 100", least=None)}
_PLAIN = {
    f"plain_p{share}": number(
        f"{share}th percentile whatever n is: a published column, for comparison only", least=None
    )
    for share in (5, 10, 25, 50, 75, 90, 95)
}
_ESTIMATE = {
    **_ORIGIN,
    **_KEY,
    "unit": text("unit of the values"),
    "n": count("blocks or trials that count"),
    "n_left_out": count("blocks or trials that were left out"),
    "n_nights": count("batches that the values come from"),
    "n_events": count("of a rate: how many of n", null=True),
    **_VALUE,
    "mean": number("arithmetic mean", least=None),
    "median": number("median", least=None),
    "sd": number("standard deviation, ddof 1"),
    "cv_pct": number("100 x sd / |mean|"),
    "min": number("smallest value", least=None),
    "max": number("largest value", least=None),
    "range": number("max - min"),
    "mad": number("median absolute deviation from the median, not scaled"),
    "iqr": number("p75 - p25; null below n = 4"),
    "skewness": number("adjusted Fisher-Pearson skewness; null below n = 3", least=None),
    **_PERCENTILES,
    "percentile_reason": text("which percentiles n does not support; empty if all"),
    **_PLAIN,
    "modal_bin_low_pct": number("lower end of the fullest bin of 1 pp; balance efficiency only"),
    "share_in_band_pct": number("share of values in [96, 100]; balance efficiency only"),
    "peak_config_id": text("configuration of the highest value", null=True),
    "peak_batch_id": text("batch of the highest value", null=True),
    "peak_block": count("block of the highest value", null=True),
    "batches": text("batch ids, separated by spaces"),
}
_POOLED = {
    "n_configurations": count("configurations with at least one value"),
    **_ESTIMATE,
    "within_sd": number("mean over configurations of the sd within each"),
    "within_cv_pct": number("mean over configurations of the CV within each"),
    "within_mad": number("mean over configurations of the MAD within each"),
    "within_iqr": number("mean over configurations of the IQR within each"),
    "best_config_id": text("configuration with the best estimate", null=True),
    "best_value": number("its estimate", least=None),
    "worst_config_id": text("configuration with the worst estimate", null=True),
    "worst_value": number("its estimate", least=None),
    "best_if_equal": number("what the best would show on average if all were equal", least=None),
    "best_if_equal_p95": number("what it would exceed in 5 % of campaigns, if equal", least=None),
    "p_best_if_equal": number("how often it would be as good as it is, if all were equal"),
}
_IN_INTERVAL = Relation(
    "ci_low <= value <= ci_high",
    lambda df: ~((df["value"] < df["ci_low"]) | (df["value"] > df["ci_high"])),
)

SAMPLES = table(
    "samples",
    {
        "origin": _ORIGIN["origin"],
        "batch_id": text("campaign of the value"),
        "config_id": text("configuration of the study"),
        "effective_class": text("what the servers really ran; equal texts are equal"),
        "scenario": text("scenario of the report"),
        "block": count("block of the value", least=1),
        **_KEY,
        "value": number("the value, counting or not", least=None),
        "counts": flag("the value is there and nothing speaks against it"),
        "pools": flag("it may also be pooled over configurations"),
        "prompt_share": number("of the work in the window, what was prompts", least=None),
        "equal_work": flag("the agents made as many tokens as alone"),
        "n_agents": count("agents of the arm", least=1),
    },
)
CONFIG_STATISTICS = table(
    "config_statistics",
    {
        "config_id": text("configuration of the study"),
        "scenario": text("scenario of the report"),
        **_ESTIMATE,
        "boot_low": number("lower end of the BCa interval of the mean", least=None),
        "boot_high": number("upper end of the BCa interval of the mean", least=None),
        "boot_reason": text("why there is no bootstrap; empty if there is"),
        "rank": count("place among the configurations, 1 is the best", least=1, null=True),
        "rank_low": count("best place that the data allow, 95 %", least=1, null=True),
        "rank_high": count("worst place that the data allow, 95 %", least=1, null=True),
        "n_ranked": count("configurations that were ranked"),
    },
    _IN_INTERVAL,
    Relation("rank_low <= rank", lambda df: ~(df["rank_low"] > df["rank"]).fillna(value=False)),
    Relation("rank <= rank_high", lambda df: ~(df["rank"] > df["rank_high"]).fillna(value=False)),
)
SCENARIO_STATISTICS = table(
    "scenario_statistics", {"scenario": text("scenario of the report"), **_POOLED}, _IN_INTERVAL
)
POPULATION_STATISTICS = table("population_statistics", _POOLED, _IN_INTERVAL)

_COMPARISON = {
    "family": text("comparisons that are corrected together"),
    **_KEY,
    "unit": text("x for a ratio of the two, else the unit of the difference"),
    "n": count("blocks or trials of both sides"),
    "n_left_out": count("blocks or trials that were left out"),
    "n_nights": count("batches that the values come from"),
    "n_classes": count("effective classes compared"),
    **_VALUE,
    "no_effect": number("value that means no difference: 1 or 0", null=False),
    "p_value": number("two-sided, of the t statistic"),
    "p_rank": number("two-sided, Wilcoxon or Mann-Whitney on aligned values; pooled scopes only"),
    "smallest_p": number("smallest that a distribution-free test could reach with this n"),
    "p_adjusted": number("p_value corrected for its family"),
    "correction": text("how it was corrected", among=("holm",)),
    "n_family": count("comparisons in the family that have a p value"),
    "alpha": number("threshold of p_adjusted", null=False),
    "margin": number("what counts as equal: a factor, or a difference", null=False),
    "p_equivalence": number("of the two one-sided tests against the margin"),
    "mde": number("smallest factor or difference found with power 0.8, corrected"),
    "power_at_margin": number("chance to find an effect as large as the margin, corrected"),
    "n_needed": count("blocks (nights) with which the margin would be found", null=True),
    "cliffs_delta": number("share above minus share below", least=-1),
    "cliffs_delta_low": number("lower end of its interval", least=-1),
    "cliffs_delta_high": number("upper end of its interval", least=-1),
    "hodges_lehmann": number("Hodges-Lehmann estimate of the effect", least=None),
    "hodges_lehmann_low": number("lower end of its interval", least=None),
    "hodges_lehmann_high": number("upper end of its interval", least=None),
    "verdict": text("what is shown, at alpha, after correction", among=VERDICTS),
    "verdict_reason": text("why this verdict"),
    "batches": text("batch ids, separated by spaces"),
}

CONTRASTS = table(
    "contrasts",
    {
        **_ORIGIN,
        "contrast": text("what is compared"),
        "scope": text("all, scenario, class or scenario pair"),
        "subject": text("scenario or effective class; the better if the value is above no effect"),
        "reference": text("what it is compared with"),
        "configurations": text("configurations whose values count, of each side"),
        **_COMPARISON,
    },
    _IN_INTERVAL,
)
FACTOR_EFFECTS = table(
    "factor_effects",
    {
        **_ORIGIN,
        "factor": text("num_gpu, num_ctx, temperature, or an asymmetry of the two agents"),
        "scenario": text("scenario, or any where the factor crosses them"),
        "level_from": text("value of each agent, or each server, with / between"),
        "level_to": text("what it changes to, all other options equal"),
        "n_pairs": count("matched pairs of effective classes"),
        "pairs": text("their configurations, a>b, separated by spaces"),
        **_COMPARISON,
    },
    _IN_INTERVAL,
)
OUTLIERS = table(
    "outliers",
    {
        **_ORIGIN,
        "config_id": text("configuration of the study"),
        "scenario": text("scenario of the report"),
        "batch_id": text("campaign of the value"),
        "block": count("block of the value", least=1),
        **_KEY,
        "unit": text("unit of the values"),
        "value": number("the value: labelled, never dropped", least=None, null=False),
        "counts": flag("whether it counts in the estimates"),
        "n": count("values of the configuration that count"),
        "median": number("their median", least=None),
        "mad": number("their median absolute deviation"),
        "mad_score": number("|value - median| / MAD; null where the MAD is 0"),
        "is_mad_outlier": flag("mad_score above 14.826: ten robust standard deviations"),
        "is_tukey_outlier": flag("beyond 3 IQR from the quartiles; null below n = 10", null=True),
        "is_below_95_pct": flag("the report's rule: balance efficiency below 95 %"),
        "cause": text("rule that explains it, or unexplained"),
        "cause_detail": text("what the rule saw"),
        "value_with": number("estimate of the configuration with all its values", least=None),
        "value_without": number("the same without its outliers", least=None),
        "change_pct": number("100 x (without / with - 1)", least=None),
        "moves_result": flag("the estimate moves by more than 10 %"),
    },
)
TREND = table(
    "trend",
    {
        **_ORIGIN,
        "scope": text("configuration or all"),
        "config_id": text("configuration; all for the mean over them, of whole nights"),
        **_KEY,
        "unit": text("unit of the values"),
        "n_nights": count("nights with a value, at most the last 365"),
        "n": count("blocks or trials in them"),
        "first_batch": text("first night"),
        "last_batch": text("last night"),
        "slope": number("Theil-Sen slope a night: % for a ratio, else the unit", least=None),
        "slope_low": number("lower end of its interval", least=None),
        "slope_high": number("upper end of its interval", least=None),
        "kendall_tau": number("Mann-Kendall: agreement with the order of nights", least=-1),
        "p_trend": number("two-sided, of Mann-Kendall"),
        "p_trend_adjusted": number("corrected for the screen over all rows (Benjamini-Hochberg)"),
        "change_batch": text("first night after the most likely change", null=True),
        "p_change": number("permutation p value of that change (Pettitt)"),
        "p_change_adjusted": number("corrected for the screen (Benjamini-Hochberg)"),
        "last_value": number("value of the last night", least=None),
        "earlier_value": number("value of the nights before", least=None),
        "change": number("last against earlier: % for a ratio, else the unit", least=None),
        "change_low": number("lower end of its interval", least=None),
        "change_high": number("upper end of its interval", least=None),
        "level": number("confidence level of the intervals", null=False),
        "tolerated": number("change that raises no alarm, in the unit of change", null=False),
        "alarm": flag("the interval of the change lies outside what is tolerated"),
        "null_reason": text("why there is no trend; empty if there is"),
        "batches": text("batch ids in their order, separated by spaces"),
    },
)

ESTIMATE_TABLES = (
    SAMPLES,
    CONFIG_STATISTICS,
    SCENARIO_STATISTICS,
    POPULATION_STATISTICS,
    CONTRASTS,
    FACTOR_EFFECTS,
    OUTLIERS,
    TREND,
)

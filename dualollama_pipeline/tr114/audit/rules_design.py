"""Rules for the design and the definitions: counts, formulas, ranks, options, hardware."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from dualollama_pipeline.metrics.run import TTFT_MARGIN_MS
from dualollama_pipeline.tr114.audit.evidence import quantity
from dualollama_pipeline.tr114.audit.rule import (
    Lacking,
    Rule,
    arithmetic,
    from_runs,
    other_figure,
)
from dualollama_pipeline.tr114.audit.rules_sources import INPUT
from dualollama_pipeline.tr114.audit.verdict import Recomputed, Way

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.audit.evidence import Sources
    from dualollama_pipeline.tr114.audit.figures import Figure

STORED = 1e-6  # relative: what differs less was computed from the same numbers


def _campaign_count(figure: Figure, evidence: Sources) -> Recomputed:
    runs = evidence.population()
    per_config = runs.groupby("config_id").size()
    counts = {
        "runs": len(runs),
        "configurations": len(per_config),
        "runs per config": int(per_config.mean()),
        "aggregate": int(per_config.mean()),
    }
    return from_runs(f"{figure.metric} among the imported runs", counts[figure.metric])


def _scenario_count(figure: Figure, evidence: Sources) -> Recomputed:
    runs = evidence.scenario_runs(figure.subject)
    found = {"runs": len(runs), "configurations": runs["config_id"].nunique()}
    return from_runs("imported, both spellings of the scenario as one", found[figure.metric])


def _planned_count(figure: Figure, evidence: Sources) -> Recomputed:
    return other_figure("rows of the plan", len(evidence.planned(figure.subject)))


def _hours(_: Figure, evidence: Sources) -> Recomputed:
    runs = evidence.population()
    measured_h = float(runs["reported_wall_s"].astype("float64").sum()) / 3600
    ends = pd.to_datetime(runs["ended_at"].astype(str), format="ISO8601", utc=True)
    starts = ends - pd.to_timedelta(runs["reported_wall_s"].astype("float64"), unit="s")
    span_h = float((ends.max() - starts.min()).total_seconds()) / 3600
    return from_runs(
        f"wall time of all runs, {measured_h:.2f} h; from the first start to the last end",
        Way(span_h, "first start to last end"),
        Way(measured_h, "sum of wall times"),
    )


def _grid(_: Figure, evidence: Sources) -> Recomputed:
    configs = evidence.scenario_configs("chimera-homo")
    asked = [c.of("insight") for c in configs]
    cells = {(each.num_gpu, each.num_ctx, each.temperature) for each in asked}
    n = int(evidence.figures.number("chimera-homo", "configurations", "count"))
    how = f"{n} configurations cannot fill 27 cells; different cells in the plan"
    return arithmetic(how, len(cells))


def _servers(_: Figure, evidence: Sources) -> Recomputed:
    calls = evidence.calls
    if calls.empty:
        raise Lacking("no call is imported")
    servers = calls.groupby("role")["server"].unique()
    return from_runs(
        "different servers in the calls, one for each agent", len({*servers.explode()})
    )


def _ports(figure: Figure, evidence: Sources) -> Recomputed:
    if figure.metric == "servers":
        ports = evidence.figures.first("glossary", "dual ollama", "ports").value.split("/")
        return other_figure("ports that the glossary names", len(set(ports)))
    servers = evidence.figures.number("dual ollama", "servers", "count")
    named = len(figure.value.split("/"))
    how = f"{named} ports for {servers:.0f} servers"
    return Recomputed("other published figure", how, holds=named == servers)


def _ports_in_runs(figure: Figure, evidence: Sources) -> Recomputed:
    if evidence.calls.empty:
        raise Lacking("no call is imported")
    found = "/".join(sorted({url.rsplit(":", 1)[-1] for url in evidence.calls["server"]}))
    how = f"ports in the imported calls: {found}"
    return Recomputed("imported runs", how, holds=found == figure.value)


# --- definitions --------------------------------------------------------------------------------


def _formula(figure: Figure, evidence: Sources) -> Recomputed:
    """Does the stored figure follow from the stored parts by the formula as written?"""
    runs, calls = evidence.runs, evidence.calls
    if runs.empty:
        raise Lacking("needs at least one imported run")
    c, i = runs["reported_collector_tok_per_s"], runs["reported_insight_tok_per_s"]
    ct, it = runs["reported_collector_ttft_ms"], runs["reported_insight_ttft_ms"]
    ok = calls[calls["status"].eq("ok")]
    stored, computed = {
        "speedup": (
            runs["reported_speedup"],
            (runs["collector_s"] + runs["insight_s"]) / runs["reported_wall_s"],
        ),
        "efficiency": (runs["reported_efficiency_pct"], runs["reported_speedup"] / 2 * 100),
        "throughput_delta": (runs["reported_throughput_delta_tok_per_s"], c - i),
        "ttft_delta": (runs["reported_ttft_delta_ms"], ct - it),
        "throughput": (ok["reported_tok_per_s"], ok["n_tokens"] / (ok["eval_ms"] / 1000)),
    }[figure.metric]
    stored, computed = stored.astype("float64"), computed.astype("float64")
    off = float(((stored - computed).abs() / (1 + stored.abs())).max())
    opposite = float(((stored + computed).abs() / (1 + stored.abs())).max()) <= STORED
    how = f"largest relative deviation in {len(stored)} imported rows {off:.2g}"
    how += "; the program stored insight - collector" if off > STORED and opposite else ""
    return Recomputed("imported runs", how, holds=off <= STORED)


def _halves(_: Figure, evidence: Sources) -> Recomputed:
    """Efficiency is 50 x speedup in the report's own rows."""
    pairs = [
        (evidence.home(c, "speedup", "mean"), evidence.home(c, "efficiency", "mean"))
        for c in evidence.plan.config_ids
        if (c, "speedup", "mean") in evidence.homes
    ]
    off = max(
        abs(50 * s.number - e.number) - 25 * s.printed.unit - e.printed.unit / 2 for s, e in pairs
    )
    how = f"50 x speedup gives the efficiency in all {len(pairs)} rows printed, within rounding"
    return Recomputed("internal arithmetic", how, holds=off <= 1e-9)  # noqa: PLR2004


def _contention_rule(_: Figure, evidence: Sources) -> Recomputed:
    """The rule compares TTFT with a usual one; the flag was set by something else."""
    runs = evidence.population()
    calls = evidence.calls_of(runs)
    usual = calls.groupby(["config_id", "role", "stage"])["ttft_ms"].transform("median")
    above = calls[calls["ttft_ms"] > usual + TTFT_MARGIN_MS]
    keys = ["config_id", "run_number"]
    by_rule = {tuple(row) for row in above[keys].astype(object).to_numpy()}
    flagged_rows = runs.loc[runs["reported_contention"].astype(bool), keys]
    flagged = {tuple(row) for row in flagged_rows.astype(object).to_numpy()}
    how = (
        f"{len(by_rule)} runs have a TTFT more than 3 s above the usual one, {len(flagged)} are "
        f"flagged, {len(by_rule & flagged)} are both"
    )
    return Recomputed("imported runs", how, holds=by_rule == flagged)


def _streaming(_: Figure, evidence: Sources) -> Recomputed:
    calls = evidence.calls.dropna(subset=["ttft_ms", "reported_total_ms"])
    if calls.empty:
        raise Lacking("no call is imported")
    share = float((calls["ttft_ms"] / calls["reported_total_ms"]).median())
    how = (
        f"the first token came after {100 * share:.1f} % of a call's time (median of "
        f"{len(calls)} calls): the answers were streamed"
    )
    return Recomputed("imported runs", how, holds=share > 0.9)  # noqa: PLR2004


def _streaming_by_words(_: Figure, evidence: Sources) -> Recomputed:
    ttft = evidence.figures.number("rust", "TTFT", "baseline")
    seconds = evidence.figures.first("rust", "agent time", "range")
    how = f"a TTFT of {ttft:.0f} ms beside {seconds.value} s of work can only be seen in a stream"
    return Recomputed("internal arithmetic", how, holds=False)


def _parity(_: Figure, __: Sources) -> Recomputed:
    how = "marked as equal in section 2.2; section 5.3 names this very row as the key difference"
    return Recomputed("internal arithmetic", how, holds=False)


# --- ranks and options --------------------------------------------------------------------------


def _place(ranked: list[str], wanted: str, how: str) -> Recomputed:
    if wanted not in ranked:
        raise Lacking(f"{wanted} is not among them")
    return from_runs(how, ranked.index(wanted) + 1)


def _rank_by_mean(figure: Figure, evidence: Sources) -> Recomputed:
    means = evidence.population().groupby("config_id")["reported_efficiency_pct"].mean()
    ranked = list(means.sort_values(ascending=False).index)
    return _place(ranked, figure.subject, f"its place among {len(ranked)} configuration means")


def _rank_by_run(figure: Figure, evidence: Sources) -> Recomputed:
    runs = evidence.population().sort_values("reported_efficiency_pct", ascending=False)
    ranked = [f"{c} run {n}" for c, n in zip(runs["config_id"], runs["run_number"], strict=True)]
    return _place(ranked, figure.subject, f"its place among {len(ranked)} runs")


def _rank_printed(figure: Figure, evidence: Sources) -> Recomputed:
    if figure.metric == "rank by run":
        values = {
            f.subject: f.number
            for f in evidence.figures.select(metric="efficiency", statistic="run value")
        }
    else:
        values = evidence.printed_means()
    ranked = sorted(values, key=lambda name: -values[name])
    how = f"its place among the {len(ranked)} that are printed"
    return other_figure(how, ranked.index(figure.subject) + 1)


def _peak_run(figure: Figure, evidence: Sources) -> Recomputed:
    runs = evidence.config_runs([figure.subject])
    best = runs.sort_values("reported_efficiency_pct").iloc[-1]
    value = float(best["reported_efficiency_pct"])
    return from_runs(f"number of its best run ({value:.3f} %)", int(best["run_number"]))


def _peak_run_printed(figure: Figure, evidence: Sources) -> Recomputed:
    listed = [
        f
        for f in evidence.figures.select(metric="efficiency", statistic="run value")
        if f.subject.startswith(f"{figure.subject} run ")
    ]
    if not listed:
        raise Lacking("no run of it is printed")
    best = max(listed, key=lambda f: f.number)
    return other_figure(
        f"line {best.line} prints {best.value} for run", int(best.subject.rpartition(" ")[2])
    )


def _num_gpu(figure: Figure, evidence: Sources) -> Recomputed:
    """Compare the layers printed with those asked for (one number: of agent B, or of both)."""
    config_id = quantity(figure)[0]
    calls = evidence.calls[evidence.calls["config_id"].eq(config_id)]
    if calls.empty:
        raise Lacking(f"no call of {config_id} is imported")
    asked = [
        _layers(calls.loc[calls["role"].eq(role), "num_gpu"].iloc[0])
        for role in ("collector", "insight")
    ]
    return Recomputed("imported runs", *_same_layers(figure, asked))


def _num_gpu_plan(figure: Figure, evidence: Sources) -> Recomputed:
    configuration = evidence.plan.get(quantity(figure)[0])
    asked = [_layers(spec.num_gpu) for _, spec in configuration.agents]
    how, _, holds = _same_layers(figure, asked)
    return Recomputed(
        "other published figure", f"by the plan {how}", holds=holds, against="contradicted"
    )


def _layers(value: object) -> str:
    return "default" if value is None or value is pd.NA else str(value)


def _same_layers(figure: Figure, asked: list[str]) -> tuple[str, tuple[Way, ...], bool]:
    printed = figure.value.split("/")
    wanted = asked if len(printed) > 1 else asked[-1:]
    return f"num_gpu asked for: {'/'.join(asked)}, printed {figure.value}", (), printed == wanted


# --- hardware and software ----------------------------------------------------------------------


def _toolchain(figure: Figure, evidence: Sources) -> Recomputed:
    if evidence.runs.empty:
        raise Lacking("no run is imported")
    named = sorted(set(evidence.runs["software"].str.extract(r"rust (\S+)", expand=False)))
    how = f"the runs name {', '.join(named)}"
    return Recomputed("imported runs", how, holds=named == [figure.value])


def _specification(figure: Figure, evidence: Sources) -> Recomputed:
    """Compare with a public source; a version must not be older than the one it needs."""
    for source in evidence.sources:
        if (source["subject"], source["metric"]) == (figure.subject, figure.metric):
            break
    else:
        raise Lacking("the machine that it describes is not at hand")
    how = f"{source['source']}: {source['value']} {source['unit']}".strip()
    if figure.metric == "version":
        old, needed = (
            tuple(map(int, re.findall(r"\d+", v))) for v in (figure.value, source["value"])
        )
        holds = old >= needed
    else:
        holds = abs(float(figure.value) - float(source["value"])) < figure.printed.unit / 2
    return Recomputed("other published figure", how, holds=holds, against="contradicted")


SCENARIO = "baseline-vs-chimera|chimera-hetero|chimera-homo"
PER_CONFIG = "[campaign, runs per config, count]"
STORED_PARTS = "needs the stored parts of at least one imported run"
RULES = (
    Rule(
        "campaign", "runs", "count|product", _campaign_count,
        f"[campaign, configurations, count] * {PER_CONFIG}",
    ),
    Rule(
        "campaign", "configurations", "count", _campaign_count,
        f"sum([{SCENARIO}, configurations, count])",
    ),
    Rule("campaign", "runs per config", "count", _campaign_count, reason=INPUT),
    Rule("formula", "aggregate", "n", _campaign_count, PER_CONFIG),
    Rule(
        "campaign", "runs", "sum", printed="[campaign, runs, count] + [TR110, runs, count]",
    ),
    Rule("campaign", "duration", "total", _hours),
    Rule(
        SCENARIO, "runs", "count", _scenario_count,
        f"[{{subject}}, configurations, count] * {PER_CONFIG}",
    ),
    Rule(SCENARIO, "configurations", "count", _scenario_count, _planned_count),
    Rule("chimera-homo", "grid coverage", "count", printed=_grid),
    # the rows of a complete table
    Rule("chimera-homo", "rows", "count", printed="[chimera-homo, configurations, count]"),
    Rule("dual ollama", "servers", "count", _servers, _ports),
    Rule("glossary", "dual ollama", "ports", _ports_in_runs, _ports),
    Rule("formula", "contention", "rule", _contention_rule),
    Rule(
        "formula", "CV", "rule", words="100 x sd / mean gives the printed cv",
        printed="abs(100 * [population, efficiency, std] / [population, efficiency, mean]"
        " - [population, efficiency, cv]) <= 0.05",
    ),
    Rule("formula", "efficiency", "rule", _formula, _halves),
    Rule("formula|glossary", ".*", "rule", _formula, reason=STORED_PARTS),
    Rule("method", "streaming", "claim", _streaming, _streaming_by_words),
    Rule("parity", "runtime", "rule", printed=_parity),
    Rule(r"test\d+", "rank by mean", "rank", _rank_by_mean, _rank_printed),
    Rule(r"test\d+ run \d+", "rank by run", "rank", _rank_by_run, _rank_printed),
    Rule(r"test\d+", "peak run index", "index", _peak_run, _peak_run_printed),
    Rule(r"test\d+", "num_gpu", "config", _num_gpu, _num_gpu_plan),
    Rule("rust", "version", "spec", _toolchain, reason="the toolchain is named only in the runs"),
    Rule(".*", "hardware|version|parameters|size", "spec", printed=_specification),
)  # fmt: skip

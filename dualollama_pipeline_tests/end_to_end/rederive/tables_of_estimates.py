"""Tables that show estimates: configurations, rankings, scenarios, contention, appendix A."""

from __future__ import annotations

from statistics import fmean, stdev

from dualollama_pipeline_tests.end_to_end.rederive.arithmetic import (
    NOTHING,
    Interval,
    estimate,
    mean_of,
    ranks,
    share,
    strata_of,
)
from dualollama_pipeline_tests.end_to_end.rederive.evidence import Evidence, in_words
from dualollama_pipeline_tests.end_to_end.rederive.journals import tokens, ttft_ms, wall_s
from dualollama_pipeline_tests.end_to_end.rederive.ledger import ANY, Number, Row, number
from dualollama_pipeline_tests.end_to_end.rederive.ratios import (
    AGAINST,
    BALANCE,
    RATES,
    SECONDS,
    SHARED_SECONDS,
    SHARED_SPEEDUP,
    SPEEDUP,
    Key,
    in_turn,
    named,
)
from dualollama_pipeline_tests.end_to_end.rederive.samples import Value

SHOWN = (
    SPEEDUP,
    BALANCE,
    SHARED_SPEEDUP,
    AGAINST,
)
RANKED = (SPEEDUP, BALANCE)


def shown(found: Interval, n: int) -> Number:
    """An estimate stands in a table only with its interval."""
    return Number(NOTHING if found.low is None else found, n)


def of_values(values: list[Value], metric: Key) -> Number:
    return shown(estimate(values, metric), len(values))


def of_rate(values: list[Value]) -> Number:
    return Number(share(sum(v.known > 0 for v in values), len(values)), len(values))


def places(evidence: Evidence, metric: Key) -> dict[str, Number]:
    """The place of each configuration that has an estimate."""
    means = {
        name: mean
        for name in evidence.config_ids
        if (mean := mean_of(strata_of(evidence.counting(metric, config_id=name))))
    }
    found = ranks(list(means.values()))
    return {name: Number(place, len(means)) for name, place in zip(means, found, strict=True)}


def configurations(evidence: Evidence) -> list[Row]:
    place = places(evidence, SPEEDUP)
    rows: list[Row] = []
    for name, scenario in evidence.by_scenario():
        blocks = len(next(b for b in evidence.current if b.config_id == name).blocks)
        counts = evidence.validity([name])
        left_out = max(counts["n_left_out"].values())
        speedup, balance, single, against = (
            of_values(evidence.counting(metric, config_id=name), metric) for metric in SHOWN
        )
        n_counting = number(blocks - left_out, blocks)
        words = in_words(scenario)
        rows.append([name, words, speedup, place[name], balance, single, against, n_counting])
    return rows


def overview(evidence: Evidence) -> list[Row]:
    """A line for each configuration: both speedups, then means over the blocks that count."""
    rows: list[Row] = []
    for name, _ in evidence.by_scenario():
        batch = next(each for each in evidence.current if each.config_id == name)
        counts = evidence.validity([name])
        counting = counts["n_blocks"] - max(counts["n_left_out"].values())
        sound = {v.block for v in evidence.counting(SPEEDUP, config_id=name)}
        blocks = [
            {arm: trial.calls for arm, trial in block.items()}
            for number, block in batch.blocks.items()
            if number in sound
        ]
        walls = [wall_s(block["apart"]) for block in blocks]
        means = (
            walls,
            [sum(in_turn(block, "apart")) for block in blocks],
            [tokens(block["apart"]) / wall for block, wall in zip(blocks, walls, strict=True)],
            [fmean(map(ttft_ms, block["apart"])) for block in blocks],
        )
        speedups = (
            of_values(evidence.counting(metric, config_id=name), metric)
            for metric in (SPEEDUP, SHARED_SPEEDUP)
        )
        shown_means = (number(fmean(each) if each else None, len(each)) for each in means)
        rows.append([name, ANY, *speedups, *shown_means, number(counting, counts["n_blocks"])])
    return rows


def ranking(evidence: Evidence, metric: Key) -> list[Row]:
    """The first five and the last three; each once."""
    found = places(evidence, metric)
    order = sorted(found, key=lambda name: (found[name].found.value or 0.0, name))
    ends = [name for i, name in enumerate(order) if i < 5 or i >= len(order) - 3]
    scenario_of = dict(evidence.by_scenario())
    return [
        [
            name,
            in_words(scenario_of[name]),
            found[name],
            of_values(evidence.counting(metric, config_id=name), metric),
        ]
        for name in ends
    ]


def best_trials(evidence: Evidence) -> list[Row]:
    """The five highest single values of each measure."""
    rows: list[Row] = []
    for metric in RANKED:
        values = sorted(evidence.counting(metric), key=lambda v: -v.known)[:5]
        for v in values:
            mine = of_values(evidence.counting(metric, config_id=v.config_id), metric)
            where = f"{v.batch_id}, {v.block}"
            rows.append([v.config_id, where, named(metric), number(v.known, 1), mine])
    return rows


def scenarios(evidence: Evidence) -> list[Row]:
    rows: list[Row] = []
    for scenario in evidence.scenarios:
        pooled = {m: evidence.counting(m, scenario=scenario, pooled=True) for m in SHOWN}
        dual, balance, single, against = (of_values(pooled[m], m) for m in SHOWN)
        within = [
            [v.known for v in pooled[SPEEDUP] if v.config_id == name]
            for name, _ in evidence.by_scenario()
        ]
        spreads = [100 * stdev(each) / abs(fmean(each)) for each in within if len(each) > 1]
        spread = number(fmean(spreads), len(spreads))
        rows.append([in_words(scenario), dual, single, against, balance, spread])
    return rows


def contention(evidence: Evidence) -> list[Row]:
    """All, by scenario, and each configuration in which a rule spoke."""
    rows: list[Row] = [
        ["all configurations", *(of_rate(evidence.counting(m, pooled=True)) for m in RATES)]
    ]
    for scenario in sorted(evidence.scenarios):
        values = (evidence.counting(m, scenario=scenario, pooled=True) for m in RATES)
        rows.append([in_words(scenario), *map(of_rate, values)])
    for name in evidence.config_ids:
        mine = [evidence.counting(m, config_id=name) for m in RATES]
        spoke = [any(v.known > 0 for v in values) for values in mine]
        if any(spoke):
            cells = [of_rate(v) if is_so else "0 %" for v, is_so in zip(mine, spoke, strict=True)]
            rows.append([name, *cells])
    return rows


def appendix_a(evidence: Evidence) -> list[Row]:
    rows: list[Row] = []
    for name, scenario in evidence.by_scenario():
        balances = evidence.counting(BALANCE, config_id=name)
        rows.append(
            [
                name,
                in_words(scenario),
                ANY,
                ANY,
                ANY,
                of_values(
                    evidence.counting(("balance_speedup", "apart", "all"), config_id=name),
                    ("balance_speedup", "apart", "all"),
                ),
                of_values(balances, BALANCE),
                number(max(v.known for v in balances), len(balances)),
                of_rate(
                    evidence.counting(("balance_contention_pct", "apart", "all"), config_id=name)
                ),
                of_values(evidence.counting(SPEEDUP, config_id=name), SPEEDUP),
            ]
        )
    return rows


HERE = (
    SECONDS,
    SHARED_SECONDS,
    AGAINST,
    ("throughput_scaling", "apart", "all"),
    ("slowdown", "apart", "collector"),
    ("slowdown", "apart", "insight"),
    BALANCE,
    ("tok_per_s_delta", "apart", "all"),
    ("ttft_delta_ms", "apart", "all"),
)

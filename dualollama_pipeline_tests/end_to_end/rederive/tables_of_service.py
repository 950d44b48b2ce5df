"""Tables of what a service would cost, and of the levels it is held against."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

from dualollama_pipeline_tests.end_to_end.rederive.arithmetic import (
    NOTHING,
    Interval,
    Stratum,
    below,
    estimate,
    known,
    mean_of,
    order_interval,
    quantile,
    share,
)
from dualollama_pipeline_tests.end_to_end.rederive.costs import (
    PAIRS,
    VARIANTS,
    Sums,
    bars,
    changed,
)
from dualollama_pipeline_tests.end_to_end.rederive.evidence import Evidence
from dualollama_pipeline_tests.end_to_end.rederive.journals import (
    Batch,
    Trial,
    of,
    rate,
    ttft_ms,
    wall_s,
)
from dualollama_pipeline_tests.end_to_end.rederive.judged import is_sound, trial_verdicts
from dualollama_pipeline_tests.end_to_end.rederive.ledger import (
    ANY,
    Number,
    Published,
    Row,
    Words,
    number,
)
from dualollama_pipeline_tests.end_to_end.rederive.samples import counting

MOST_INPUTS = 20
N_WALLS = 9
LEAST_N = {0.5: 1, 0.95: 40, 0.99: 100}
WALL = "workload.pair_wall_s"


def sound_duals(batches: list[Batch]) -> list[tuple[Batch, Trial]]:
    return [
        (batch, trial)
        for batch in batches
        for verdicts in [trial_verdicts(batch)]
        for trial in batch.of_arms("apart")
        if is_sound(trial, verdicts)
    ]


def stratified(found: list[tuple[Batch, float]]) -> list[Stratum]:
    """By configuration, with the night of each value."""
    names = dict.fromkeys(batch.config_id for batch, _ in found)
    made = []
    for name in names:
        mine = [(batch.batch_id, value) for batch, value in found if batch.config_id == name]
        values, nights = [value for _, value in mine], [night for night, _ in mine]
        made.append(Stratum(values, nights, len(mine) / len(found)))
    return made


REPORT = "basis: report"
ASSUMED, SIMULATED = (f"basis: derived; wall time: {each}" for each in ("assumed", "simulated"))


# -- costs ---------------------------------------------------------------------------------------
def pair_wall(evidence: Evidence) -> Interval:
    """Mean wall time of a pair, of the current night."""
    walls = [(batch, wall_s(trial.calls)) for batch, trial in sound_duals(evidence.current)]
    mean = mean_of(stratified(walls))
    return NOTHING if mean is None else mean.interval()


def one_after_the_other_s(evidence: Evidence) -> float:
    """Mean of both solo walls over the blocks that count."""
    sound = {(v.config_id, v.block) for v in evidence.counting("dual_weighted_speedup")}
    return fmean(
        wall_s(block["solo_collector"].calls) + wall_s(block["solo_insight"].calls)
        for batch in evidence.current
        for place, block in batch.blocks.items()
        if (batch.config_id, place) in sound
    )


def costs(evidence: Evidence) -> list[Row]:
    """The report's basis, then demand's: as assumed, and as measured with its interval."""
    inputs = evidence.inputs("cost")
    reported = Sums(inputs, is_derived=False)
    wall, alone_s = pair_wall(evidence), one_after_the_other_s(evidence)
    assumed = Interval(inputs["workload"]["pair_wall_s"])
    return [
        *machines(reported, REPORT),
        *sums(inputs, assumed, REPORT),
        *claims(reported),
        *needs(inputs, assumed, ASSUMED),
        *sums(inputs, assumed, ASSUMED),
        *needs(inputs, wall, SIMULATED, alone_s),
        *sums(inputs, wall, SIMULATED),
    ]


def cost_row(words: Words, about: str, found: Interval) -> Row:
    return [words, about, Number(found), Published(), ANY, ANY]


def machines(of_inputs: Sums, basis: str) -> list[Row]:
    return [
        cost_row(
            Words(f"n {machine['item']}", basis),
            variant,
            Interval(of_inputs.n_machines(variant, machine)),
        )
        for variant in VARIANTS
        for machine in of_inputs.inputs["variants"][variant]["machines"]
    ]


def needs(
    inputs: dict[str, Any], wall: Interval, basis: str, alone_s: float | None = None
) -> list[Row]:
    """GPU-hours, GPUs and machines that the pairs of a month ask for."""
    at = [
        None if end is None else Sums(changed(inputs, WALL, end), is_derived=True) for end in wall
    ]
    here = at[0]
    assert here is not None
    hours = Interval(*(None if each is None else each.gpu_hours for each in at))
    gpus = Interval(*(None if each is None else float(each.n_gpus) for each in at))
    rows = [
        cost_row(Words("gpu hours per month", basis), "any", hours),
        cost_row(Words("n gpus", basis), "any", gpus),
    ]
    if alone_s is not None:
        found = Interval(Sums(changed(inputs, WALL, alone_s), is_derived=True).gpu_hours)
        words = Words("gpu hours per month sequential", basis)
        rows.append(cost_row(words, "any", found))
    return rows + machines(here, basis)


def sums(inputs: dict[str, Any], wall: Interval, basis: str) -> list[Row]:
    """Every sum; its interval is the least and the most over nine wall times of the interval."""
    ends = [end for end in wall[1:] if end is not None]
    walls = [wall.value, *between(*ends)] if ends else [wall.value]
    every = [Sums(changed(inputs, WALL, each or 0.0), basis != REPORT) for each in walls]
    rows = [
        cost_row(
            Words(quantity, basis),
            variant,
            over([each.of_variant(variant)[quantity] for each in every]),
        )
        for variant in VARIANTS
        for quantity in every[0].of_variant(variant)
    ]
    return rows + [
        cost_row(
            Words(quantity, basis),
            f"{one} against {other}",
            over([each.of_pair(one, other)[quantity] for each in every]),
        )
        for one, other in PAIRS
        for quantity in every[0].of_pair(one, other)
    ]


def between(low: float, high: float) -> list[float]:
    return [low + (high - low) * step / (N_WALLS - 1) for step in range(N_WALLS)]


def over(found: list[float | None]) -> Interval:
    if len(found) == 1 or None in found:
        return Interval(found[0])
    return Interval(found[0], min(known(found)), max(known(found)))


def claims(reported: Sums) -> list[Row]:
    """What the report says in words, against its own sums; 114.54 and 42 tok/s are its figures."""
    dearer = sum(reported.tco(other) < reported.tco("python") for other in VARIANTS)
    break_even = reported.of_pair("rust", "python")["break even months"]
    faster = Interval(100 * (114.54 / 42 - 1))
    found = {
        ("highest cost", "python"): Interval(1.0 + dearer),
        ("15 % faster per agent", "hybrid against rust"): faster,
        ("python below 3 years", "python against rust"): Interval(break_even),
    }
    return [
        cost_row(Words(f"claim: {claim}", REPORT), about, value)
        for (claim, about), value in found.items()
    ]


def cost_sensitivity(evidence: Evidence) -> list[Row]:
    """The longest bars of each basis and comparison, `derived` before `report`."""
    inputs = evidence.inputs("cost")
    here = changed(inputs, WALL, pair_wall(evidence).value or 0.0)
    made = []
    for basis, basic in ((REPORT, inputs), (ASSUMED, inputs), (SIMULATED, here)):
        for one, other in PAIRS:
            found = bars(basic, one, other, is_derived=basis != REPORT)
            made += [
                (
                    (place, basis == REPORT),
                    [
                        Words(bar.path, basis),
                        f"{one} against {other}",
                        ANY,
                        *map(number, bar.saved),
                        ANY,
                    ],
                )
                for place, bar in enumerate(found, start=1)
            ]
    made.sort(key=lambda each: each[0])
    return [list(row) for _, row in made[:MOST_INPUTS]]


# -- service levels ------------------------------------------------------------------------------
COSTS = (
    "machines_share_pct",
    "cost_share_pct",
    "hybrid_tco_share_pct",
    "infrastructure_usd_per_month",
    "usd_per_1000_executions",
    "n_machines",
)


def service_levels(evidence: Evidence) -> list[Row]:
    """Every item against what was seen here, and costs against the report's, too."""
    levels = evidence.inputs("slo")
    here = observed(evidence) | cost_levels(evidence, is_derived=True)
    reported = cost_levels(evidence, is_derived=False)
    items = [*levels["targets"], *levels["slas"], *levels["rollback"]["triggers"]]
    items += levels["monitored"]
    items += [gate for phase in levels["phases"] for gate in phase["gates"]]
    rows: list[Row] = []
    for item in items:
        metric = item.get("metric", "")
        found = [source[metric] for source in (here, reported) if metric in source]
        rows += [[item["name"], ANY, each, ANY, ANY] for each in found or [number(None, 0)]]
    steps = levels["rollback"]["steps"]
    names = [*(f"step {place}" for place in range(1, len(steps) + 1)), "time", "standby"]
    return rows + [[name, ANY, number(None, 0), ANY, ANY] for name in names]


def cost_levels(evidence: Evidence, *, is_derived: bool) -> dict[str, Number]:
    inputs = evidence.inputs("cost")
    if is_derived:
        inputs = changed(inputs, WALL, pair_wall(evidence).value or 0.0)
    found = Sums(inputs, is_derived)
    n_machines = {
        name: found.n_machines(name, inputs["variants"][name]["machines"][0])
        for name in ("python", "rust")
    }
    values = (
        100 * n_machines["rust"] / n_machines["python"],
        100 * found.monthly("rust") / found.monthly("python"),
        100 * found.tco("hybrid") / found.tco("rust"),
        found.monthly("rust"),
        found.of_variant("rust")["usd per 1000 executions"],
        n_machines["rust"],
    )
    return {name: number(value, 0) for name, value in zip(COSTS, values, strict=True)}


def observed(evidence: Evidence) -> dict[str, Number]:
    """Over the dual trials of all nights; the true speedup of the current one."""
    every = [batch for night in evidence.nights for batch in night]
    duals = sound_duals(every)

    def mean(formula: Callable[[Trial], float], upper: float | None = None) -> Number:
        found = mean_of(stratified([(batch, formula(trial)) for batch, trial in duals]))
        if found is None:
            return Number(NOTHING, len(duals))
        if upper is None:
            return Number(found.interval(), len(duals))
        return Number(below(upper, found), len(duals))

    calls = [call for batch in every for call in batch.every_call("apart")]
    failed = [call for call in calls if call["status"] == "failed"]
    late = [call for call in failed if call["failure"]["kind"].startswith("timeout")]
    waits = [ttft_ms(call) / 1000 for call in calls if call["status"] == "ok"]
    walls = [wall_s(trial.calls) for _, trial in duals]
    deltas = [abs(v.known) for v in counting(evidence.history, "ttft_delta_ms")]
    flags = [v.known for v in counting(evidence.history, "ttft_contention_pct")]
    speedups = evidence.counting("dual_weighted_speedup", pooled=True)
    return {
        "balance_speedup": mean(balance_of, 2.0),
        "balance_efficiency_pct": mean(lambda trial: 50 * balance_of(trial), 100.0),
        "agent_tok_per_s": mean(agent_rate),
        "largest_ttft_delta_ms": number(max(deltas), len(deltas)),
        "weighted_speedup": Number(estimate(speedups, "dual_weighted_speedup"), len(speedups)),
        "contention_pct": Number(share(sum(flag > 0 for flag in flags), len(flags)), len(flags)),
        "error_pct": Number(share(len(failed), len(calls)), len(calls)),
        "timeout_pct": Number(share(len(late), len(calls)), len(calls)),
        "pair_wall_p95_s": percentile(walls, 0.95),
        **{f"ttft_p{each}_s": percentile(waits, each / 100) for each in (50, 95, 99)},
    }


def percentile(values: list[float], p: float) -> Number:
    """A percentile with its interval, where n supports it."""
    if len(values) < LEAST_N[p]:
        return Number(NOTHING, len(values))
    return Number(Interval(quantile(values, p), *order_interval(values, p)), len(values))


def balance_of(trial: Trial) -> float:
    both = wall_s(of("collector", trial.calls)) + wall_s(of("insight", trial.calls))
    return both / wall_s(trial.calls)


def agent_rate(trial: Trial) -> float:
    """Mean over the two agents of the mean rate of their calls."""
    return fmean(fmean(map(rate, of(role, trial.calls))) for role in ("collector", "insight"))

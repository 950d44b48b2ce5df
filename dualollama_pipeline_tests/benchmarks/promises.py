"""What the statistics promise, as cases with a known truth; coverage.py tries them.

A case of an interval takes a generator and returns the interval with the truth it should hold; one
of an alarm returns whether there was one, where nothing differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from dualollama_pipeline.core.study import PAIR, Agent, load_study
from dualollama_pipeline.metrics.catalog import APART_SPEEDUP
from dualollama_pipeline.statistics import change, effects, selection, verdicts
from dualollama_pipeline.statistics.factors import factor_effects
from dualollama_pipeline.statistics.intervals import (
    Interval,
    bca_interval,
    interval_of,
    proportion_interval,
    skewed_interval_of,
    t_interval,
)
from dualollama_pipeline.statistics.means import Mean, aligned, difference, mean_of, sample
from dualollama_pipeline.statistics.multiplicity import benjamini_hochberg, holm
from dualollama_pipeline.statistics.samples import COLUMNS, option_classes
from dualollama_pipeline_tests.benchmarks import early_stops
from dualollama_pipeline_tests.benchmarks.campaigns import (
    N_BLOCKS,
    N_CONFIGURATIONS,
    Design,
    draw,
    levels,
    noise_free,
    simulated_blocks,
)
from dualollama_pipeline_tests.benchmarks.scale import MATRIX

if TYPE_CHECKING:
    from collections.abc import Callable

    IntervalCase = Callable[[np.random.Generator], tuple[Interval, float]]

FULL, QUICK = 2_000, 1_000
FAMILIES = 1_000  # campaigns of a whole family of factor effects: each takes a tenth of a second


def _of_mean(design: Design) -> IntervalCase:
    truth = float(levels(design).mean())
    return lambda chance: (interval_of(mean_of(draw(design, chance))), truth)


def _of_difference(one: Design, other: Design) -> IntervalCase:
    truth = float(levels(one).mean() - levels(other).mean())

    def case(chance: np.random.Generator) -> tuple[Interval, float]:
        return interval_of(mean_of(difference(draw(one, chance), draw(other, chance)))), truth

    return case


def _of_ranks(one: Design, other: Design | None) -> IntervalCase:
    def case(chance: np.random.Generator) -> tuple[Interval, float]:
        first = draw(one, chance)
        if other is None:
            return effects.hodges_lehmann(aligned(first)), float(levels(one).mean())
        second = draw(other, chance)
        found = effects.hodges_lehmann_shift(aligned(first), aligned(second))
        return found, float(levels(one).mean() - levels(other).mean())

    return case


def _of_delta(n: int, shift: float) -> IntervalCase:
    truth = float(2 * stats.norm.cdf(shift / np.sqrt(2)) - 1)
    return lambda chance: (
        effects.cliffs_delta(sample(chance.normal(shift, 1, n)), sample(chance.normal(0, 1, n))),
        truth,
    )


def _balance(chance: np.random.Generator, n: int) -> Any:
    return 100 - np.abs(chance.standard_normal(n))  # as skewed as the balance efficiency


BALANCE_MEAN = 100 - float(np.sqrt(2 / np.pi))
ONE = Design(n_configurations=1)
SEVEN, THIRTEEN = (Design(n_configurations=n, spread=2.0) for n in (7, 13))
ALL = Design(spread=2.0)
NIGHTS = {"n_nights": 8, "night_sd": 0.03}


def _simulated(which: int, n: int, free_of_noise: str = "") -> IntervalCase:
    """Draw from the simulator's blocks: 0 dual, 1 single; truth: their mean, or noise-free."""

    def case(chance: np.random.Generator) -> tuple[Interval, float]:
        blocks = simulated_blocks()[:, which]
        truth = np.log(noise_free(free_of_noise)) if free_of_noise else blocks.mean()
        return t_interval(chance.choice(blocks, n)), float(truth)

    return case


def _stopping(
    which: int, n: int, stops: float, prompts: str, agents: tuple[Agent, ...] = PAIR
) -> IntervalCase:
    """Draw from blocks with early stops; truth: their mean over very many of them."""

    def case(chance: np.random.Generator) -> tuple[Interval, float]:
        blocks = early_stops.stopping_blocks(stops, prompts, agents=agents)[:, which]
        return t_interval(chance.choice(blocks, n)), float(blocks.mean())

    return case


def coverage_cases() -> dict[str, IntervalCase]:
    """Return what must cover its truth in 93 to 97 %: every interval that is not exact."""
    return {
        "configuration, 5 blocks: t on logs": _of_mean(ONE),
        "configuration, 15 blocks: t on logs": _of_mean(ONE._replace(n_blocks=15)),
        "scenario, 7 x 5: stratified t": _of_mean(SEVEN),
        "scenario, 13 x 5: stratified t": _of_mean(THIRTEEN),
        "population, 27 x 5: stratified t": _of_mean(ALL),
        "configuration, 8 nights x 5: t over nights": _of_mean(ONE._replace(**NIGHTS)),
        "scenario, 7 x 5 x 8 nights: t over nights": _of_mean(SEVEN._replace(**NIGHTS)),
        "population, 27 x 5 x 8 nights: t over nights": _of_mean(ALL._replace(**NIGHTS)),
        "population, 27 x 5 x 5 nights: t over nights": _of_mean(
            ALL._replace(n_nights=5, night_sd=0.03)
        ),
        "scenario against scenario, 7 x 5 and 13 x 5": _of_difference(
            SEVEN, THIRTEEN._replace(level=SEVEN.level + 0.02)
        ),
        "class against class, 5 and 5 (Welch)": _of_difference(ONE, ONE._replace(sd=0.1)),
        "balance efficiency, population of 135": lambda chance: (
            t_interval(_balance(chance, 135)), BALANCE_MEAN,
        ),
        "balance efficiency, 5 blocks: t, widened": lambda chance: (
            skewed_interval_of(mean_of(sample(_balance(chance, 5)))), BALANCE_MEAN,
        ),
        "balance efficiency, 15 blocks: t, widened": lambda chance: (
            skewed_interval_of(mean_of(sample(_balance(chance, 15)))), BALANCE_MEAN,
        ),
        "balance efficiency, 40 blocks: BCa": lambda chance: (
            bca_interval(_balance(chance, 40)), BALANCE_MEAN,
        ),
        "balance efficiency, 20 blocks: BCa": lambda chance: (
            bca_interval(_balance(chance, 20)), BALANCE_MEAN,
        ),
        "normal, 20 blocks: BCa": lambda chance: (bca_interval(chance.normal(0, 1, 20)), 0.0),
        "Hodges-Lehmann, 27 x 5, aligned": _of_ranks(ALL._replace(spread=1.0), None),
        "Hodges-Lehmann shift, 7 x 5 and 13 x 5": _of_ranks(
            SEVEN._replace(spread=1.0), THIRTEEN._replace(spread=1.0)
        ),
        "Cliff's delta 0.28, 35 and 35": _of_delta(35, 0.5),
        "change of the last of 20 nights": lambda chance: (
            _prediction(chance.normal(0, 1, 20)), 0.0,
        ),
        "Theil-Sen slope, 20 nights": lambda chance: (
            change.theil_sen(0.1 * np.arange(20) + chance.normal(0, 1, 20)), 0.1,
        ),
        "simulator, dual, 5 blocks, long-run truth": _simulated(0, 5),
        "simulator, dual, 15 blocks, long-run truth": _simulated(0, 15),
        "simulator, single, 5 blocks, noise-free truth": _simulated(1, 5, "shared"),
        **{
            f"weighted, {arm}, {100 * stops:.0f} % early stops, prompts {prompts}, {n} blocks":
                _stopping(place, n, stops, prompts)
            for place, arm in enumerate(("apart", "shared"))
            for stops in early_stops.SHARES
            for prompts in early_stops.PROMPTS
            for n in (5, 15)
        },
        **{
            f"weighted, three agents, {arm}, {100 * stops:.0f} % early stops, {n} blocks":
                _stopping(place, n, stops, "like decoding", early_stops.THREE)
            for place, arm in enumerate(("apart", "shared"))
            for stops in early_stops.SHARES
            for n in (5, 15)
        },
    }  # fmt: skip


def exact_cases() -> dict[str, IntervalCase]:
    """Return what promises at least 95 %: exact intervals, and ranks corrected for many."""
    return {
        "rate 5 %, 135 trials: Clopper-Pearson": lambda chance: (
            proportion_interval(int(chance.binomial(135, 0.05)), 135), 0.05,
        ),
        "Cliff's delta of one sample, 35": lambda chance: (
            effects.dominance(chance.normal(0.3, 1, 35)),
            float(2 * stats.norm.cdf(0.3) - 1),
        ),
        "rank of one of 27 configurations": _rank,
    }  # fmt: skip


def told_cases() -> dict[str, IntervalCase]:
    """Return what is shown and not judged, because its truth is another quantity or n is small."""
    return {
        "simulator, dual, 5 blocks, noise-free truth": _simulated(0, 5, "apart"),
        **{
            f"true, dual, {100 * stops:.0f} % early stops, 5 blocks (not printed)":
                _stopping(2, 5, stops, "like decoding")
            for stops in early_stops.SHARES[1:]
        },
    }  # fmt: skip


def _prediction(values: Any) -> Interval:
    return change.last_against_earlier(values)


def _rank(chance: np.random.Generator) -> tuple[Interval, float]:
    true = levels(ALL)
    drawn = np.reshape(draw(ALL._replace(spread=1.0), chance)[0], (N_CONFIGURATIONS, -1))
    means = [mean_of(sample(row)) for row in drawn]
    found = selection.rank_intervals(means)
    which = 13
    rank = 1 + int((true > true[which]).sum())
    return Interval(rank, float(found.low[which]), float(found.high[which]), ""), float(rank)


def _any_class(chance: np.random.Generator) -> bool:
    values = 0.05 * chance.standard_normal((N_CONFIGURATIONS, N_BLOCKS))
    means = [mean_of(sample(row)) for row in values]
    return bool((holm([verdicts.p_of_t(mean) for mean in means]) <= verdicts.ALPHA).any())


def _any_scenario_pair(chance: np.random.Generator) -> bool:
    drawn = [draw(d._replace(between=0.0), chance) for d in (SEVEN, SEVEN, THIRTEEN)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    p_values = [verdicts.p_of_t(mean_of(difference(drawn[a], drawn[b]))) for a, b in pairs]
    return bool((holm(p_values) <= verdicts.ALPHA).any())


def _any_factor(chance: np.random.Generator) -> bool:
    matrix = load_study(MATRIX)
    names = np.repeat(matrix.config_ids, N_BLOCKS)
    classes = option_classes(matrix)
    scenario = {each.config_id: str(each.scenario) for each in matrix.configurations}
    campaign = pd.DataFrame(
        {
            "origin": "simulated",
            "batch_id": "night",
            "config_id": names,
            "effective_class": [classes[name] for name in names],
            "scenario": [scenario[name] for name in names],
            "block": np.tile(np.arange(1, N_BLOCKS + 1), N_CONFIGURATIONS),
            **APART_SPEEDUP._asdict(),
            "value": np.exp(0.05 * chance.standard_normal(len(names))),
            "counts": True,
            "pools": True,
            "prompt_share": 0.1,
            "equal_work": True,
            "n_agents": 2,
        }
    )[COLUMNS]
    found = factor_effects(campaign, matrix)
    return bool(found["verdict"].isin(["better", "worse"]).any())


def _any_trend(chance: np.random.Generator) -> bool:
    nights = chance.standard_normal((N_CONFIGURATIONS, 20))
    p_values = [change.mann_kendall(row).p_value for row in nights]
    return bool((benjamini_hochberg(p_values) <= verdicts.ALPHA).any())


def _change_point(chance: np.random.Generator) -> bool:
    found = change.pettitt(chance.standard_normal(20), int(chance.integers(2**31)), 499)
    return found.p_value <= verdicts.ALPHA


def _last_night(chance: np.random.Generator) -> bool:
    nights = 0.83 * np.exp(0.01 * chance.standard_normal(20))
    last = change.last_against_earlier(100 * np.log(nights))
    return change.is_alarm(last, 2.0)


def _equivalence(chance: np.random.Generator) -> bool:
    margin = verdicts.margin_of("ratio")
    mean = mean_of(sample(margin + 0.02 * chance.standard_normal(15)))
    return verdicts.p_of_equivalence(mean, margin) <= verdicts.ALPHA


def _best_of_all(chance: np.random.Generator) -> bool:
    drawn = 0.05 * chance.standard_normal((N_CONFIGURATIONS, N_BLOCKS))
    means = [mean_of(sample(values)) for values in drawn]
    return selection.best_if_equal(means, int(chance.integers(2**31))).p_value <= verdicts.ALPHA


def alarm_cases() -> dict[str, tuple[Callable[[np.random.Generator], bool], int]]:
    """Return what must not happen in more than 5 % of campaigns without any difference."""
    return {
        "27 configurations against 1 (Holm)": (_any_class, FULL),
        "three pairs of scenarios (Holm)": (_any_scenario_pair, FULL),
        "all factor effects of the matrix (Holm)": (_any_factor, FAMILIES),
        "trend of 27 configurations, 20 nights (BH)": (_any_trend, FAMILIES),
        "change point, 20 nights (Pettitt, permuted)": (_change_point, FAMILIES),
        "alarm of the last night, 20 nights, 2 % tolerated": (_last_night, FULL),
        "equivalent, though at the margin (TOST)": (_equivalence, FULL),
        "best of 27 better than chance": (_best_of_all, FAMILIES),
    }


def power_cases() -> dict[str, Callable[[np.random.Generator, float], Mean]]:
    """Return comparisons in which a true speedup differs by `planted` (a log)."""
    return {
        "configuration, 15 blocks, sd 3 %": lambda chance, planted: mean_of(
            sample(planted + 0.03 * chance.standard_normal(15))
        ),
        "configuration, 5 blocks, sd 1 %": lambda chance, planted: mean_of(
            sample(planted + 0.01 * chance.standard_normal(5))
        ),
        "population, 27 x 5, sd 8 %": lambda chance, planted: mean_of(
            draw(Design(sd=0.08, level=planted), chance)
        ),
        "scenario against scenario, 7 x 5 and 13 x 5, sd 4 %": lambda chance, planted: mean_of(
            difference(
                draw(SEVEN._replace(sd=0.04, spread=1.0, level=planted), chance),
                draw(THIRTEEN._replace(sd=0.04, spread=1.0, level=0.0), chance),
            )
        ),
    }

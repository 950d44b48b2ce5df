"""What a figure can be checked against: imported runs, the plan, and the report's other figures."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.study import load_study
from dualollama_pipeline.tr114.audit.rule import Lacking

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from dualollama_pipeline.core.study import Configuration, Study
    from dualollama_pipeline.tr114.audit.figures import Figure, Figures
    from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs

RESULT_SECTIONS = re.compile(r"[34]\..*")  # where the report states results; others restate them
SCENARIOS = {
    "baseline-vs-chimera": "baseline_vs_chimera",
    "chimera-hetero": "chimera_hetero",
    "chimera-homo": "chimera_homo",
    "chimera-homo all 13": "chimera_homo",
}
SAMPLE = "homo sampled 3"
COLUMNS = {
    "speedup": "reported_speedup",
    "efficiency": "reported_efficiency_pct",
    "throughput_delta": "reported_throughput_delta_tok_per_s",
    "ttft_delta": "reported_ttft_delta_ms",
    "contention": "reported_contention",
    "collector throughput": "reported_collector_tok_per_s",
    "insight throughput": "reported_insight_tok_per_s",
}
Stated = tuple[str, str, str]


def quantity(figure: Figure) -> Stated:
    """Return which quantity a figure states, whatever it is called where it is printed."""
    subject, statistic = figure.subject, figure.statistic
    config = re.fullmatch(r"(?:Tier \d \()?(test\d+)\)?", subject)
    if config:
        subject = config[1]
        statistic = re.sub(r"^(peak|best) config$", "mean", statistic)
        statistic = re.sub(r"^peak (run|\(run \d+\))$", "peak", statistic)
    elif subject == "population":
        statistic = {"p50": "median", "peak": "max", "peak run": "max"}.get(statistic, statistic)
    return subject, figure.metric, statistic


@dataclass(frozen=True)
class Sources:
    """Everything the rules look at; the imported tables may be empty."""

    figures: Figures
    plan: Study
    runs: pd.DataFrame
    calls: pd.DataFrame
    costs: CostInputs
    sources: tuple[dict[str, str], ...] = ()

    @cached_property
    def repetitions(self) -> int:
        """Runs of each configuration, as the report states them."""
        return int(self.figures.number("campaign", "runs per config", "count"))

    @cached_property
    def imported(self) -> dict[str, int]:
        """How many runs of each configuration are imported."""
        return {str(name): int(n) for name, n in self.runs["config_id"].value_counts().items()}

    @cached_property
    def homes(self) -> dict[Stated, Figure]:
        """The printing that states each quantity first, in sections 3 and 4 where there is one."""
        homes: dict[Stated, Figure] = {}
        for figure in self.figures:
            home = homes.setdefault(quantity(figure), figure)
            first_result = RESULT_SECTIONS.fullmatch(figure.section) is not None
            if first_result and not RESULT_SECTIONS.fullmatch(home.section):
                homes[quantity(figure)] = figure
        return homes

    def home(self, subject: str, metric: str, statistic: str) -> Figure:
        """Return where the report states a quantity.

        Raises:
            Lacking: it prints none.
        """
        figure = self.homes.get((subject, metric, statistic))
        if figure is None:
            raise Lacking(f"the report prints no {statistic} {metric} of {subject}")
        return figure

    def scenario_configs(self, scenario: str) -> list[Configuration]:
        """Return the plan's configurations of a scenario, in either spelling."""
        name = SCENARIOS.get(scenario, scenario)
        return [c for c in self.plan.configurations if c.scenario == name]

    def config_runs(self, config_ids: Sequence[str]) -> pd.DataFrame:
        """Return all runs of some configurations.

        Raises:
            Lacking: not all of their planned runs are imported; says how many are.
        """
        there = [self.imported[name] for name in set(config_ids) if name in self.imported]
        wanted = self.repetitions * len(config_ids)
        if sum(there) < wanted or any(n < self.repetitions for n in there):
            named = config_ids[0] if len(config_ids) == 1 else f"{len(config_ids)} configurations"
            raise Lacking(f"needs the {wanted} runs of {named}, {sum(there)} are imported")
        return self.runs[self.runs["config_id"].isin(list(config_ids))]

    def planned(self, part: str) -> list[str]:
        """Return the configurations of a part of the plan: a scenario, or section 3.2's sample."""
        sampled = part == SAMPLE
        configs = self.scenario_configs("chimera-homo" if sampled else part)
        names = [c.config_id for c in configs]
        # the sample is what section 3.2 prints a row for
        return [n for n in names if (n, "speedup", "mean") in self.homes] if sampled else names

    def scenario_runs(self, part: str) -> pd.DataFrame:
        """Return all runs of a part of the plan; raises Lacking unless they are complete."""
        return self.config_runs(self.planned(part))

    def population(self) -> pd.DataFrame:
        """Return all runs of the plan; raises Lacking unless they are complete."""
        return self.config_runs(self.plan.config_ids)

    def one_run(self, config_id: str, number: int) -> pd.Series:
        """Return one run; raises Lacking if it is not imported."""
        rows = self.runs[self.runs["config_id"].eq(config_id) & self.runs["run_number"].eq(number)]
        if rows.empty:
            raise Lacking(f"needs {config_id} run {number}, which is not imported")
        return rows.iloc[0]

    def calls_of(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Return the calls of some runs."""
        keys = ["config_id", "run_number"]
        return self.calls.merge(runs[keys], on=keys)

    def printed_means(self, scenario: str | None = None) -> dict[str, float]:
        """Return the configuration means of efficiency that the report prints."""
        return self._printed("mean", scenario)

    def printed_peaks(self, scenario: str | None = None) -> dict[str, float]:
        """Return the configuration peaks of efficiency that the report prints."""
        return self._printed("peak", scenario)

    def _printed(self, statistic: str, scenario: str | None) -> dict[str, float]:
        configs = self.scenario_configs(scenario) if scenario else self.plan.configurations
        keys = {c.config_id: (c.config_id, "efficiency", statistic) for c in configs}
        return {name: self.homes[key].number for name, key in keys.items() if key in self.homes}


def load_plan(published: Path) -> Study:
    """Return the plan of TR114: what its figures are about, whatever the user's matrix holds.

    Raises:
        InputError: it cannot be read.
    """
    return load_study(published / "plan.yaml")


def load_rows(path: Path) -> tuple[dict[str, str], ...]:
    """Read a small source table of `data/published/`.

    Raises:
        InputError: it cannot be read, or a line has another number of fields.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = tuple(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error})", f"restore {path.name}") from error
    if not rows or any(None in row or None in row.values() for row in rows):
        raise InputError(
            f"{path}: a line has another number of fields than the first",
            f"restore {path.name}",
        )
    return rows

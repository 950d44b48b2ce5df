"""All that was measured, as sections ask for it: the current night, and all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from dualollama_pipeline_tests.end_to_end.rederive import judged
from dualollama_pipeline_tests.end_to_end.rederive.journals import Batch, read_nights
from dualollama_pipeline_tests.end_to_end.rederive.ratios import Key
from dualollama_pipeline_tests.end_to_end.rederive.samples import (
    Value,
    counting,
    really,
    values_of,
)

SCENARIOS = ("baseline_vs_chimera", "chimera_hetero", "chimera_homo")  # in the report's order


def in_words(scenario: str) -> str:
    return scenario.replace("_", " ")


@dataclass(frozen=True)
class Evidence:
    """The nights of a warehouse, the earliest first, and the editable inputs of `data`."""

    nights: list[list[Batch]]
    data: Path

    @property
    def current(self) -> list[Batch]:
        """Each configuration's latest batch, by name: here all are of the last night."""
        return self.nights[-1]

    @cached_property
    def values(self) -> list[Value]:
        return values_of(self.current)

    @cached_property
    def history(self) -> list[Value]:
        return values_of(batch for night in self.nights for batch in night)

    @property
    def config_ids(self) -> list[str]:
        return [batch.config_id for batch in self.current]

    @property
    def scenarios(self) -> list[str]:
        measured = {batch.scenario for batch in self.current}
        return [name for name in SCENARIOS if name in measured]

    def by_scenario(self) -> list[tuple[str, str]]:
        """Return (config_id, scenario) in the order of the report."""
        return sorted(
            ((batch.config_id, batch.scenario) for batch in self.current),
            key=lambda pair: (SCENARIOS.index(pair[1]), pair[0]),
        )

    def counting(
        self, metric: Key, *, config_id: str = "", scenario: str = "", pooled: bool = False
    ) -> list[Value]:
        """The values of the current night that count, of a configuration, a scenario, or all."""
        return [
            v
            for v in counting(self.values, metric, pooled=pooled)
            if config_id in {"", v.config_id} and scenario in {"", v.scenario}
        ]

    def inputs(self, name: str) -> dict[str, Any]:
        """Return a file of data/."""
        found: dict[str, Any] = yaml.safe_load((self.data / f"{name}.yaml").read_text())
        return found

    @cached_property
    def classes(self) -> dict[str, Any]:
        """What each configuration really was."""
        return {batch.config_id: really(batch) for batch in self.current}

    def validity(self, config_ids: list[str]) -> dict[str, Any]:
        """Count the blocks of some configurations by their worst trial, and those left out."""
        verdicts: list[str] = []
        for batch in (each for each in self.current if each.config_id in config_ids):
            of_trials = judged.trial_verdicts(batch)
            for block in batch.blocks.values():
                found = {of_trials[trial.trial_id] for trial in block.values()}
                worst = [word for word in ("INVALID", "WARN", "VALID") if word in found]
                verdicts.append(worst[0])
        mine = [v for v in self.values if v.config_id in config_ids]
        left_out = {
            arm: sum(v.metric == ("weighted_speedup", arm, "all") and not v.counts for v in mine)
            for arm in ("apart", "shared")
        }
        counted = Counter(verdicts)
        return {
            "n_blocks": len(verdicts),
            "n_valid": counted["VALID"],
            "n_warn": counted["WARN"],
            "n_invalid": counted["INVALID"],
            "n_left_out": left_out,
        }


def read_evidence(home: Path, data: Path) -> Evidence:
    return Evidence(read_nights(home), data)

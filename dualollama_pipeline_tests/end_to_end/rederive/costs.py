"""The sums of the cost model, from the editable inputs and a wall time of a pair."""

from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple

VARIANTS = ("python", "rust", "hybrid")
PAIRS = (("rust", "python"), ("hybrid", "python"), ("hybrid", "rust"))
INPUTS = ("horizon_years", "workload", "hosting", "variants")


class Sums(NamedTuple):
    """Everything that one set of inputs gives; `is_derived`: machines and GPUs from demand."""

    inputs: dict[str, Any]
    is_derived: bool

    @property
    def pairs(self) -> float:
        """Pairs of agents a month."""
        workload = self.inputs["workload"]
        return float(workload["executions_per_month"] / workload["agents_per_pair"])

    @property
    def gpu_hours(self) -> float:
        return float(self.pairs * self.inputs["workload"]["pair_wall_s"] / 3600)

    @property
    def n_gpus(self) -> int:
        hosting = self.inputs["hosting"]
        hours = float(hosting["hours_per_month"] * hosting["utilisation"])
        return math.ceil(round(self.gpu_hours / hours, 9))

    def n_machines(self, variant: str, machine: dict[str, Any]) -> float:
        if not self.is_derived or not machine["runs_agents"]:
            return float(machine["count"])
        agents = self.n_gpus * self.inputs["workload"]["agents_per_pair"]
        needed_mb = agents * self.inputs["variants"][variant]["memory_mb_per_agent"]
        return float(math.ceil(round(needed_mb / machine["memory_mb"], 9)))

    def machines(self, variant: str) -> float:
        return float(
            sum(
                self.n_machines(variant, machine) * machine["usd_per_month"]
                for machine in self.inputs["variants"][variant]["machines"]
            )
        )

    def monthly(self, variant: str) -> float:
        """Machines, and the GPUs, which the report does not count."""
        hosting = self.inputs["hosting"]
        gpus = self.n_gpus * hosting["hours_per_month"] * hosting["gpu_usd_per_hour"]
        return self.machines(variant) + (gpus if self.is_derived else 0.0)

    def development(self, variant: str) -> float:
        return float(sum(self.inputs["variants"][variant]["development_usd"].values()))

    def operation(self, variant: str) -> float:
        kept = sum(self.inputs["variants"][variant]["yearly_usd"].values())
        return float(12 * self.monthly(variant) + kept)

    def tco(self, variant: str) -> float:
        years = self.inputs["horizon_years"]
        return float(self.development(variant) + years * self.operation(variant))

    def of_variant(self, name: str) -> dict[str, float]:
        return {
            "machines usd per month": self.machines(name),
            "infrastructure usd per month": self.monthly(name),
            "infrastructure usd per year": 12 * self.monthly(name),
            "usd per 1000 executions": (
                1000 * self.monthly(name) / self.inputs["workload"]["executions_per_month"]
            ),
            "development usd": self.development(name),
            "operation usd per year": self.operation(name),
            "tco usd": self.tco(name),
            "tco place": 1.0 + sum(self.tco(other) < self.tco(name) for other in VARIANTS),
        }

    def of_pair(self, one: str, other: str) -> dict[str, float | None]:
        extra = self.development(one) - self.development(other)
        saved = self.operation(other) - self.operation(one)
        tco_saved = self.tco(other) - self.tco(one)
        return {
            "machines saving usd per month": self.machines(other) - self.machines(one),
            "machines saving usd per year": 12 * (self.machines(other) - self.machines(one)),
            "infrastructure saving share pct": (
                100 * (self.monthly(other) - self.monthly(one)) / self.monthly(other)
            ),
            "extra development usd": extra,
            "operation saving usd per year": saved,
            "tco saving usd": tco_saved,
            "tco difference share pct": abs(100 * tco_saved / self.tco(other)),
            "break even months": max(12 * extra / saved, 0.0) if saved > 0 else None,
        }


def changed(inputs: dict[str, Any], path: str, value: float) -> dict[str, Any]:
    """Return the inputs with one of them changed."""
    made = copy.deepcopy(inputs)
    *folders, name = path.split(".")
    place: Any = made
    for folder in folders:
        place = place[int(folder)] if isinstance(place, list) else place[folder]
    place[name] = value
    return made


def numbers_of(inputs: Any, path: str = "") -> list[tuple[str, float]]:
    """Return every number of the inputs with its path, in the order of the file."""
    if isinstance(inputs, bool | str):
        return []
    if isinstance(inputs, int | float):
        return [(path, inputs)]
    items = inputs.items() if isinstance(inputs, dict) else enumerate(inputs)
    return [
        each
        for name, value in items
        if path or name in INPUTS
        for each in numbers_of(value, f"{path}.{name}" if path else str(name))
    ]


class Bar(NamedTuple):
    """What a comparison saves with one input at its value, at its lowest and at its highest."""

    path: str
    saved: tuple[float, float, float]

    @property
    def swing(self) -> float:
        return abs(self.saved[2] - self.saved[1])


def bars(inputs: dict[str, Any], one: str, other: str, *, is_derived: bool) -> list[Bar]:
    """One bar for each input that concerns the two, the longest first."""
    ranges, share = inputs["sensitivity"]["ranges"], inputs["sensitivity"]["share"]
    uninvolved = [f"variants.{name}." for name in VARIANTS if name not in (one, other)]
    made = []
    for path, base in numbers_of(inputs):
        if path.startswith(tuple(uninvolved)):
            continue
        of = ranges.get(path, {"low": base * (1 - share), "high": base * (1 + share)})
        sums = [
            Sums(changed(inputs, path, value), is_derived)
            for value in (base, of["low"], of["high"])
        ]
        at_base, at_low, at_high = (each.tco(other) - each.tco(one) for each in sums)
        made.append(Bar(path, (at_base, at_low, at_high)))
    return sorted(made, key=lambda bar: -bar.swing)

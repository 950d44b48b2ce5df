"""What data/slo.yaml may say: targets, SLAs, rollback, phases with their gates, what is watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from dualollama_pipeline.core.yaml_file import Written, load_yaml
from dualollama_pipeline.tr114.service_levels.observed import QUANTITIES

if TYPE_CHECKING:
    from pathlib import Path

Text = Annotated[str, Field(min_length=1)]
Bound = Literal["above", "below", "at_least", "at_most"]


class Item(Written):
    """One thing that is watched; with a bound, one that is held against it.

    `window_s`: only what lasts so long counts. `metric` is one of observed.QUANTITIES.
    """

    name: Text
    metric: str = ""
    bound: Bound | None = None
    threshold: float | None = None
    unit: str = ""
    window_s: Annotated[float, Field(gt=0)] | None = None
    note: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Item:
        if (self.bound is None) != (self.threshold is None):
            msg = f"{self.name!r}: bound and threshold belong together; write both or neither"
            raise ValueError(msg)
        if self.metric and self.metric not in QUANTITIES:
            msg = f"{self.name!r}: metric {self.metric!r} is none of {', '.join(QUANTITIES)}"
            raise ValueError(msg)
        if self.window_s is not None and self.metric != "balance_efficiency_pct":
            msg = f"{self.name!r}: window_s is known for balance_efficiency_pct only; leave it out"
            raise ValueError(msg)
        return self


class Standby(Written):
    """What is kept for the way back."""

    what: Text
    months: Annotated[float, Field(gt=0)]


class Rollback(Written):
    """When to go back, how, and how fast."""

    triggers: Annotated[tuple[Item, ...], Field(min_length=1)]
    steps: Annotated[tuple[Text, ...], Field(min_length=1)]
    within_minutes: Annotated[float, Field(gt=0)]
    standby: Standby

    @model_validator(mode="after")
    def _triggers_have_bounds(self) -> Rollback:
        for trigger in self.triggers:
            if trigger.bound is None:
                msg = f"trigger {trigger.name!r} has no bound; write bound and threshold"
                raise ValueError(msg)
        return self


class PhaseGate(Written):
    """One phase of the rollout; its gates stand before the next one."""

    name: Text
    months: Text
    traffic_pct: Annotated[tuple[Annotated[float, Field(ge=0, le=100)], ...], Field(min_length=1)]
    goal: Text
    gates: Annotated[tuple[Item, ...], Field(min_length=1)]


class SloInputs(Written):
    """The whole of data/slo.yaml."""

    targets: tuple[Item, ...]
    slas: tuple[Item, ...]
    rollback: Rollback
    phases: tuple[PhaseGate, ...]
    monitored: tuple[Item, ...]


def load_slo_inputs(path: Path) -> SloInputs:
    """Read data/slo.yaml.

    Raises:
        InputError: the file cannot be used; names field and value.
    """
    return load_yaml(path, SloInputs)

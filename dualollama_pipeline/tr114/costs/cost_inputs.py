"""What data/cost.yaml may say: prices, machines, development, workload, and the range of each.

Nothing is computed here but the list of the inputs themselves; the sums are cost.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from dualollama_pipeline.advice.candidates import ModelMemory
from dualollama_pipeline.core.yaml_file import Written, load_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

VARIANTS = ("python", "rust", "hybrid")
INPUTS = ("horizon_years", "workload", "hosting", "variants")

Amount = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class MonthlyWork(Written):
    """How much is to be done in a month, and how long a pair of agents takes."""

    executions_per_month: Positive
    agents_per_pair: Annotated[int, Field(ge=1)]
    pair_wall_s: Positive


class Hosting(Written):
    """What a month of a machine is, and what its GPU costs."""

    hours_per_month: Positive
    utilisation: Annotated[float, Field(gt=0, le=1)]
    gpu_usd_per_hour: Amount


class Machine(Written):
    """One kind of rented machine; `count` is the report's assumption."""

    item: Annotated[str, Field(min_length=1)]
    count: Amount
    usd_per_month: Amount
    memory_mb: Positive
    runs_agents: bool


class Development(Written):
    """What it costs to build, once."""

    initial: Amount
    testing: Amount
    deployment: Amount


class Yearly(Written):
    """What it costs to keep, beside the machines."""

    monitoring: Amount
    maintenance: Amount


class Variant(Written):
    """One way to deploy the pair."""

    memory_mb_per_agent: Positive
    machines: Annotated[tuple[Machine, ...], Field(min_length=1)]
    development_usd: Development
    yearly_usd: Yearly

    @model_validator(mode="after")
    def _agents_run_somewhere(self) -> Variant:
        if sum(machine.runs_agents for machine in self.machines) != 1:
            msg = "exactly one of the machines must say runs_agents: true"
            raise ValueError(msg)
        return self


class Variants(Written):
    """The three deployments of section 8."""

    python: Variant
    rust: Variant
    hybrid: Variant


class Range(Written):
    """How far an input may be off."""

    low: Amount
    high: Amount
    reason: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _in_order(self) -> Range:
        if self.low >= self.high:
            msg = f"low = {self.low:g} must be below high = {self.high:g}"
            raise ValueError(msg)
        return self


class Sensitivity(Written):
    """The range of every input: its own, or base x (1 +- share)."""

    share: Annotated[float, Field(gt=0, lt=1)]
    ranges: dict[str, Range] = Field(default_factory=dict)


class CostInputs(Written):
    """The whole of data/cost.yaml."""

    horizon_years: Positive
    workload: MonthlyWork
    hosting: Hosting
    variants: Variants
    sensitivity: Sensitivity
    models: dict[str, ModelMemory] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ranges_name_inputs(self) -> CostInputs:
        known = dict(self.numbers())
        for path in self.sensitivity.ranges:
            if path not in known:
                msg = f"sensitivity.ranges names {path!r}; there are {', '.join(known)}"
                raise ValueError(msg)
        return self

    def variant(self, name: str) -> Variant:
        """Return one deployment by its name."""
        found: Variant = getattr(self.variants, name)
        return found

    def numbers(self) -> Iterator[tuple[str, float]]:
        """Yield every number that the sums rest on, with its place in the file."""
        yield from _numbers(self.model_dump(include=set(INPUTS), warnings=False), "")

    def changed(self, path: str, value: float) -> CostInputs:
        """Return the inputs with one number changed, unchecked: a range may leave what is sensible.

        Raises:
            KeyError: there is no such input.
        """
        made: CostInputs = _changed(self, path.split("."), value)
        return made

    def dial(self, path: str) -> Callable[[float], CostInputs]:
        """Return `changed` for many values of one number: the inputs it gives are always the same.

        Raises:
            KeyError: there is no such input.
        """
        made, (*names, last) = self.changed(path, 0.0), path.split(".")
        owner: Any = made
        for name in names:
            is_list = isinstance(owner, tuple)
            owner = next(x for x in owner if x.item == name) if is_list else getattr(owner, name)

        def turned(value: float) -> CostInputs:
            vars(owner)[last] = value  # frozen for others; this copy nobody else has
            return made

        return turned


def load_cost_inputs(path: Path) -> CostInputs:
    """Read data/cost.yaml.

    Raises:
        InputError: the file cannot be used; names field and value.
    """
    return load_yaml(path, CostInputs)


def _numbers(content: Any, prefix: str) -> Iterator[tuple[str, float]]:
    if isinstance(content, bool):
        return
    if isinstance(content, (int, float)):
        yield prefix, float(content)
        return
    parts: Any = ()
    if isinstance(content, dict):
        parts = content.items()
    elif isinstance(content, (list, tuple)):
        parts = ((part["item"], part) for part in content)
    for name, part in parts:
        yield from _numbers(part, f"{prefix}.{name}" if prefix else str(name))


def _changed(model: Any, names: list[str], value: float) -> Any:
    name, *rest = names
    if isinstance(model, tuple):
        if name not in {part.item for part in model}:
            raise KeyError(name)
        return tuple(_changed(part, rest, value) if part.item == name else part for part in model)
    if name not in type(model).model_fields:
        raise KeyError(name)
    inner = getattr(model, name)
    return model.model_copy(update={name: _changed(inner, rest, value) if rest else value})

"""The shape of summary.json: every number of the report, with what it needs to be believed.

Only shapes and look-ups live here; nothing is computed and nothing is worded. A number that is
null has its reason beside it. A change that removes or renames a field raises SCHEMA_VERSION.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.metrics.catalog import Key

SCHEMA_VERSION: Literal[3] = 3

ReportOrigin = Literal["simulated", "measured", "imported", "mixed", "none"]
Verdict = Literal["faster", "slower", "equivalent", "no difference shown", "undetermined"]


class Part(BaseModel):
    """Base of all parts: frozen, no unknown field, no nan or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(Part):
    """One metric of one configuration; `null_reason` says why a value or interval is null."""

    origin: str
    metric: str
    arm: str
    agent: str
    unit: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    level: float
    n: int
    n_left_out: int
    method: str
    null_reason: str
    mean: float | None
    median: float | None
    sd: float | None
    cv_pct: float | None
    min: float | None
    max: float | None
    batches: tuple[str, ...]


class PooledEstimate(Estimate):
    """One metric over the blocks of several configurations."""

    n_configurations: int


class ValidityCounts(Part):
    """How many blocks there are, how they were judged, how many are left out of which arm."""

    n_blocks: int
    n_valid: int
    n_warn: int
    n_invalid: int
    n_left_out: dict[str, int]


class BlockNote(Part):
    """A block that is not plainly VALID, or does not count: which, for what, and why."""

    batch_id: str
    block: int
    validity: str
    left_out_of: tuple[str, ...]
    reason: str


class AgentDescription(Part):
    """What one agent asked for, in words."""

    agent: str
    model: str
    options: str


class ConfigurationSummary(Part):
    """One configuration: who ran, how it was judged, what was estimated.

    `n_reloads`: model loads inside the trials of the one server.
    """

    config_id: str
    scenario: str
    equal_to: tuple[str, ...]
    agents: tuple[AgentDescription, ...]
    validity: ValidityCounts
    n_reloads: int
    notes: tuple[BlockNote, ...]
    estimates: tuple[Estimate, ...]


class ScenarioSummary(Part):
    """One scenario over the blocks of its configurations."""

    scenario: str
    config_ids: tuple[str, ...]
    validity: ValidityCounts
    estimates: tuple[PooledEstimate, ...]


class StatusCounts(Part):
    """How calls or trials ended; the four add up to `n`."""

    n: int
    ok: int
    failed: int
    interrupted: int
    skipped: int


class ServerIdentity(Part):
    """A server with a model on it, as it announced itself."""

    server: str
    version: str
    model: str
    model_digest: str
    simulated_by: str | None


class FailureCount(Part):
    """A kind of failure, how often it happened, and one text of it (untrusted)."""

    kind: str
    n: int
    example: str


class Provenance(Part):
    """Where the numbers come from."""

    servers: tuple[ServerIdentity, ...]
    batches: tuple[str, ...]
    workloads: tuple[str, ...]
    first_started_at: str | None
    last_started_at: str | None
    calls: StatusCounts
    trials: StatusCounts
    failures: tuple[FailureCount, ...]


class GlossaryEntry(Part):
    """A metric of the catalog."""

    name: str
    label: str
    unit: str
    formula: str
    meaning: str


class Cell(Part):
    """One entry of a table: what is printed (`text`, `detail`), and the number behind it.

    `reason` says why there is no value; then `text` is empty. `target` is the id in the evidence
    that it leads to.
    """

    text: str = ""
    detail: str = ""
    reason: str = ""
    value: float | None = None
    unit: str = ""
    n: int | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    level: float | None = None
    method: str = ""
    target: str = ""


class Column(Part):
    """A column's heading; numbers are set to the right and sorted by their value.

    `axis`: the ends of an axis on which intervals are drawn as bars.
    """

    label: str
    is_number: bool = False
    axis: tuple[float, float] | None = None


class TableRow(Part):
    """One row; `notes` and `toml` belong to the whole row, `is_flagged` asks for a second look."""

    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()
    is_flagged: bool = False
    toml: str = ""


class Table(Part):
    """A table of a section; the first cell of a row names it.

    In a brief one, what belongs to a number is shown when somebody points at it.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    is_sortable: bool = False
    is_brief: bool = False


class Plot(Part):
    """A plot of a section, in words: the drawing itself stands in the page only."""

    name: str
    title: str
    description: str
    caption: str


class Section(Part):
    """One question of a reader: the answer in words, plots, tables.

    `evidence` says what the numbers are worth; a section without numbers says why and has none.
    """

    id: str
    title: str
    evidence: Literal["illustration", "measured", "imported", "published", "assumed", "none"]
    paragraphs: tuple[str, ...]
    plots: tuple[Plot, ...] = ()
    tables: tuple[Table, ...] = ()


class Summary(Part):
    """The whole report: the page, its Markdown version and summary.json show this and no more."""

    schema_version: Literal[3] = SCHEMA_VERSION
    title: str
    n_agents: int = 2
    origin: ReportOrigin
    origins: tuple[str, ...]
    verdict: Verdict
    headline: str
    strip: tuple[str, ...] = ()
    seconds: str = ""
    since: str = ""
    counted: tuple[str, ...] = ()
    picture: Plot | None = None
    explanation: tuple[str, ...]
    advice: tuple[str, ...]
    population: tuple[PooledEstimate, ...]
    scenarios: tuple[ScenarioSummary, ...]
    configurations: tuple[ConfigurationSummary, ...]
    validity: ValidityCounts
    missing: dict[str, str]
    equal_groups: tuple[tuple[str, ...], ...]
    provenance: Provenance
    glossary: tuple[GlossaryEntry, ...]
    sections: tuple[Section, ...]


EstimateT = TypeVar("EstimateT", bound=Estimate)


def find(estimates: Sequence[EstimateT], key: Key) -> EstimateT | None:
    """Return the estimate of a key, or None if the tables did not hold it."""
    return next((each for each in estimates if (each.metric, each.arm, each.agent) == key), None)

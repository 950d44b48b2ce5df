"""One `metrics.json` of the original program, checked: what a run folder must hold to be read.

The program wrote more than is read here; unknown keys are let pass, missing and wrong ones are
named. Nothing is judged here: that is the tables' business (imported.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.specs import AgentOptions
from dualollama_pipeline.core.study import Scenario
from dualollama_pipeline.tr114.imported.float32 import as_meant
from dualollama_pipeline.tr114.imported.strict_json import parse

NANOSECOND_S = 1e-9  # the program's clocks know nothing shorter
Amount = Annotated[float, Field(ge=0, lt=1e9)]
Seconds = Annotated[float, Field(ge=NANOSECOND_S, lt=1e9)]
Change = Annotated[float, Field(gt=-1e9, lt=1e9)]
RunNumber = Annotated[int, Field(ge=1, lt=10**6)]
Document = TypeVar("Document", "RunArtifact", "SummaryFile")


def one_spelling(scenario: str) -> str:
    """Return a scenario in our spelling: the original wrote `chimera-homo` and `chimera_homo`."""
    return scenario.replace("-", "_").casefold()


class Original(BaseModel):
    """Base: what the original wrote, of the type that it wrote; other keys are let pass."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class CallMetrics(Original):
    """One call's counters, as stored: a stream without a final record has zeros."""

    eval_duration_ms: Amount
    load_duration_ms: Amount
    prompt_eval_duration_ms: Amount
    throughput_tokens_per_sec: Amount
    tokens_generated: Annotated[int, Field(ge=0, lt=10**9)]
    total_duration_ms: Amount
    ttft_ms: Amount

    @property
    def has_final_record(self) -> bool:
        """Only a final record carries counters; without one all of them stayed zero."""
        return self.tokens_generated > 0 or self.eval_duration_ms > 0


class LlmCall(Original):
    """One request and its answer."""

    stage: Annotated[str, Field(pattern="^(analysis|report)$")]
    metrics: CallMetrics
    response: str


class Workflow(Original):
    """Seconds of the agent's steps."""

    ingest_seconds: Amount
    analysis_seconds: Amount
    report_seconds: Amount
    total_seconds: Amount


class SystemInfo(Original):
    """What the program said of its machine."""

    os: str = ""
    rust_version: str = ""


class AgentResult(Original):
    """What one agent brought back."""

    llm_calls: Annotated[list[LlmCall], Field(min_length=1)]
    workflow: Workflow
    timestamp: AwareDatetime
    system_info: SystemInfo = SystemInfo()

    @field_validator("timestamp", mode="before")
    @classmethod
    def _written_as_text(cls, value: Any) -> Any:
        return datetime.fromisoformat(value) if isinstance(value, str) else value


class AgentConfig(Original):
    """What one agent was asked to do, options as meant; `others` have no column of ours."""

    base_url: str
    model: str
    options: AgentOptions
    others: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _known_options_without_float32_noise(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("options"), dict):
            return value
        options = {name: as_meant(option) for name, option in value["options"].items()}
        known = {name: o for name, o in options.items() if name in AgentOptions.model_fields}
        others = {name: o for name, o in options.items() if name not in known}
        return {**value, "options": known, "others": others}


class OriginalAgent(Original):
    """One agent of one run."""

    config: AgentConfig
    execution_time_s: Seconds
    result: AgentResult


class RunSummary(Original):
    """The run as the original scored it."""

    concurrency_speedup: Amount
    efficiency_percent: Amount
    concurrent_wall_time_s: Seconds
    sequential_estimated_s: Amount
    throughput_delta: Change
    ttft_delta_ms: Change
    collector_throughput: Amount
    insight_throughput: Amount
    collector_ttft_ms: Amount
    insight_ttft_ms: Amount
    resource_contention_detected: bool


class RunArtifact(Original):
    """One `metrics.json`."""

    scenario: str
    run_number: RunNumber
    collector: OriginalAgent
    insight: OriginalAgent
    summary: RunSummary

    @field_validator("scenario")
    @classmethod
    def _known_scenario(cls, value: str) -> str:
        return Scenario(one_spelling(value)).value

    @property
    def agents(self) -> tuple[tuple[str, OriginalAgent], ...]:
        """The agents in the order A, B."""
        return (("collector", self.collector), ("insight", self.insight))

    @property
    def ended_at(self) -> datetime:
        """When the later agent was done."""
        return max(agent.result.timestamp for _, agent in self.agents)


class SummaryRun(Original):
    """One run in a `summary.json`."""

    run_number: RunNumber
    concurrency_speedup: Amount


class SummaryFile(Original):
    """One `summary.json`: what the original said of a configuration's runs."""

    runs: list[SummaryRun]


def read_run(content: bytes, name: str) -> RunArtifact:
    """Read one `metrics.json`.

    Raises:
        InputError: it is damaged or foreign; names each field and the value found.
    """
    return _checked(RunArtifact, content, name)


def read_summary(content: bytes, name: str) -> dict[int, float]:
    """Read one `summary.json`: the speedup that it states for each run number.

    Raises:
        InputError: it is damaged or foreign; names each field and the value found.
    """
    listed = _checked(SummaryFile, content, name).runs
    return {run.run_number: run.concurrency_speedup for run in listed}


def _checked(model: type[Document], content: bytes, name: str) -> Document:
    try:
        return model.model_validate(parse(content, name))
    except ValidationError as error:
        raise InputError.from_validation(name, error) from error

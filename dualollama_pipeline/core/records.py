"""The records of a journal: what was sent, what came back and when. Evidence, never an opinion.

Instants are integer nanoseconds after the first request of their trial was written; durations that
a server reports keep Ollama's names. A value that was not observed is None.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from dualollama_pipeline.core.plan import ArmName, Plan

NOT_TOLD = "not told"  # a version or digest that a server does not say
AgentName = Annotated[str, Field(validation_alias=AliasChoices("agent", "role"))]


class FailureKind(StrEnum):
    """Why a request has no valid answer: the closed list of OLLAMA.md section D."""

    CONFIG = "config"
    CONNECT = "connect"
    TIMEOUT_FIRST = "timeout_first"
    TIMEOUT_IDLE = "timeout_idle"
    TIMEOUT_TOTAL = "timeout_total"
    HTTP_3XX = "http_3xx"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    BUSY = "busy"
    MODEL_MISSING = "model_missing"
    OOM = "oom"
    SERVER_ERROR = "server_error"
    TRUNCATED = "truncated"
    PROTOCOL = "protocol"
    METRICS = "metrics"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    DISK = "disk"
    INTERNAL = "internal"


class Status(StrEnum):
    """How a call, an attempt or a trial ended; `interrupted` means that we stopped."""

    OK = "ok"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"


class Origin(StrEnum):
    """Where numbers come from; simulated numbers say so wherever they are shown."""

    SIMULATED = "simulated"
    MEASURED = "measured"
    IMPORTED = "imported"


class Record(BaseModel):
    """Base of all records: frozen, and no unknown field passes unseen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Failure(Record):
    """One failed request: what, where, in which phase, and what the server said."""

    kind: FailureKind
    text: str
    url: str
    model: str
    phase: Literal["connect", "waiting", "streaming", "final"]
    http_status: int | None = None
    body_excerpt: str | None = None
    retry_after_s: float | None = None


class ServerCounters(Record):
    """The final record's own figures, in Ollama's names; Ollama omits zeros, so absent is None."""

    done_reason: str | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    prompt_eval_cached_count: int | None = None
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None


class CallRecord(Record):
    """One request of one agent, answered or not.

    `chunk_ns` holds the arrival of every record that carried text; records that arrived in one
    read share an instant, `max_lines_per_read` says how many did at most.
    """

    agent: AgentName
    server: str
    model: str
    stage: str
    options: dict[str, int | float]
    status: Status
    failure: Failure | None = None
    sent_ns: int | None = None
    first_token_ns: int | None = None
    first_answer_ns: int | None = None
    end_ns: int | None = None
    chunk_ns: tuple[int, ...] = ()
    max_lines_per_read: int | None = None
    counters: ServerCounters = ServerCounters()
    text: str = ""
    thinking: str = ""


class BatchRecord(Record):
    """First line of a journal: the whole plan, so that the journal stands alone."""

    record: Literal["batch"] = "batch"
    started_at: str
    plan_hash: str
    plan: Plan


class ServerIdentity(Record):
    """What a server said it was and held; `size_vram_share` is size_vram / size of the model.

    `pid`, `process_started_s` (since the epoch) and `gpu_uuids` are what the machine says of a
    server on it. `placement` is "verified" where that process holds the GPU memory that the server
    reports, "contradicted" where not even all GPUs hold it, "claimed" where nobody else can say,
    None where the server reports none. `thinks`: the model can think before it answers.
    `round_trip_ms` is what a request took that a server answers at once; to open the connection
    is in it where it was not open. `slots` is how many requests it works on at once. A server of
    the OpenAI protocol may not tell its version or weights (NOT_TOLD).
    """

    server: str
    url: str
    version: str
    simulated_by: str | None
    model: str
    digest: str
    quantization: str | None
    layers: int | None
    loaded: bool
    size_vram_share: float | None
    context_length: int | None
    expires_at: str | None = None
    thinks: bool | None = None
    pid: int | None = None
    process_started_s: float | None = None
    gpu_uuids: tuple[str, ...] | None = None
    placement: Literal["verified", "claimed", "contradicted"] | None = None
    round_trip_ms: float | None = None
    slots: int | None = None


class Gpu(Record):
    """One NVIDIA GPU, as nvidia-smi names it."""

    name: str
    uuid: str
    driver: str
    memory_mib: int


class MachineRecord(Record):
    """The machine that the worker ran on; None is "not known", an empty list of GPUs is "none"."""

    record: Literal["machine"] = "machine"
    os: str
    cpu: str | None
    n_cpus: int | None
    memory_mib: int | None
    python: str
    packages: dict[str, str]
    gpus: tuple[Gpu, ...] | None


class Conditions(Record):
    """What else went on on the machine; swap counts since its start; None is "not known"."""

    load_1min: float | None = None
    swapped_in_mib: float | None = None
    swapped_out_mib: float | None = None
    governor: str | None = None
    on_battery: bool | None = None
    gpu_throttling: tuple[str, ...] | None = None
    foreign_gpu_pids: tuple[int, ...] | None = None


class IdentityRecord(Record):
    """Snapshot of all servers, taken before a cell's first and after its last trial.

    `conditions` is None for simulated servers: the machine does not touch their clock.
    """

    record: Literal["identity"] = "identity"
    arm: ArmName
    moment: Literal["before", "after"]
    servers: tuple[ServerIdentity, ...]
    conditions: Conditions | None = None


class PreparationRecord(Record):
    """A model made ready off the clock: unloaded, loaded, and one discarded warm-up.

    `load_s` is how long its load took, at the client: what a load inside a call is compared with.
    `by_server`: the server loads and unloads as it likes, so there was the warm-up alone.
    """

    record: Literal["preparation"] = "preparation"
    before_trial: str
    server: str
    agent: AgentName
    status: Status
    failure: Failure | None = None
    load_s: float | None = None
    by_server: bool = False


class NoteRecord(Record):
    """What a reader must know that no measurement says: why a batch ended early, what is not known.

    `about`: "ended" (the batch, before its end record), "servers" or "ruler" (could not be asked).
    """

    record: Literal["note"] = "note"
    at: str
    about: Literal["ended", "servers", "ruler"]
    text: str
    way_out: str


class TrialRecord(Record):
    """One attempt at a trial, with every call that it planned; `reason` says why it was skipped.

    `wall_clock_drift_ms` is how much more time the wall clock counted than the monotonic one,
    `loop_lag_p99_ms` how late the event loop was; None under the simulated clock.
    """

    record: Literal["trial"] = "trial"
    trial_id: str
    attempt: Annotated[int, Field(ge=1)]
    block: int
    arm: ArmName
    order: int
    status: Status
    started_at: str
    wall_clock_drift_ms: float | None = None
    loop_lag_p99_ms: float | None = None
    reason: str | None = None
    calls: tuple[CallRecord, ...]


class RulerRecord(Record):
    """The errors of our own stamps, against a server with a known schedule, after the trials."""

    record: Literal["ruler"] = "ruler"
    n: int
    ttft_error_median_ms: float
    ttft_error_max_ms: float
    gap_error_p95_ms: float
    rate_error_pct: float


class EndRecord(Record):
    """The batch is complete: planned = ok + failed + interrupted + skipped."""

    record: Literal["end"] = "end"
    planned: int
    ok: int
    failed: int
    interrupted: int
    skipped: int


AnyRecord = (
    BatchRecord
    | MachineRecord
    | IdentityRecord
    | PreparationRecord
    | NoteRecord
    | TrialRecord
    | RulerRecord
    | EndRecord
)
JournalRecord = Annotated[AnyRecord, Field(discriminator="record")]

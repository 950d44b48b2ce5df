"""One call on one server: what was asked, how far it has come, what the counters will say.

Here: the record of a call and the tokens it has to hand out. The order of events, queues and the
shared GPU are `world.py`; the bytes on the wire are `lines.py`.
"""

from dataclasses import dataclass, field
from enum import Enum

from dualollama_pipeline.simulator.draws import Draws
from dualollama_pipeline.simulator.gpu import SharedWork


class Phase(Enum):
    """Where a call stands. GPU work happens in PREFILL and DECODE only."""

    ARRIVED = "arrived"
    QUEUED = "queued"
    LOAD = "load"
    PREFILL = "prefill"
    EPS = "eps"
    DECODE = "decode"
    ENDED = "ended"


class Ending(Enum):
    """How a call ended."""

    FINAL = "final"
    """Complete, with a final record."""
    LOADED = "loaded"
    """An empty prompt: the model is loaded."""
    SILENT = "silent"
    """The stream stops cleanly without a final record."""
    REFUSED = "refused"
    """An error status instead of an answer."""
    CANCELLED = "cancelled"
    """The client went away, or its trial was dropped."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the world needs to know of a request. `key` is (trial, agent, stage)."""

    server: int
    key: tuple[str, ...]
    prompt: str
    is_first: bool = True
    order: int = 0
    num_ctx: int | None = None
    num_gpu: int | None = None
    num_predict: int | None = None
    is_held: bool = False
    truncate: bool = True
    keep_alive_ns: int | None = None
    model: str = ""
    """Its name on this machine; the profile's own model if it is empty."""

    @property
    def is_load_only(self) -> bool:
        """An empty prompt asks for the model to be loaded and nothing else."""
        return not self.prompt


@dataclass(slots=True, eq=False)
class Call:
    """A request in the world, with every instant in virtual nanoseconds."""

    request: Request
    draws: Draws
    received_ns: int
    phase: Phase = Phase.ARRIVED
    phase_since_ns: int = 0
    timer_ns: int = 0
    work: SharedWork | None = None
    is_reload: bool = False
    load_ns: int = 0
    prompt_eval_ns: int = 0
    n_prompt_tokens: int = 0
    n_tokens: int = 0
    eval_ns: int = 0
    first_token_ns: int | None = None
    ended_ns: int | None = None
    ending: Ending | None = None
    done_reason: str = ""
    refusal: str = ""
    n_emitted: int = 0
    _fresh_instants: list[int] = field(default_factory=list)

    @property
    def event_ns(self) -> int | None:
        """Instant of the call's next change of phase; None while it waits or has ended."""
        if self.phase in (Phase.LOAD, Phase.EPS):
            return self.timer_ns
        return self.work.end_ns if self.work else None

    @property
    def next_token_ns(self) -> int | None:
        """Instant of the next token that has not been emitted yet."""
        if self.phase is not Phase.DECODE or not self.work or self.n_emitted >= self.n_tokens:
            return None
        return self.work.instant_ns(self.n_emitted)

    @property
    def total_ns(self) -> int:
        """From receipt to the end, as the server counts it."""
        return (self.ended_ns or self.received_ns) - self.received_ns

    def emit_until(self, now_ns: int) -> None:
        """Put out every token that is due, in bulk."""
        if self.phase is not Phase.DECODE or not self.work:
            return
        instants = self.work.instants_until(self.n_emitted, now_ns)
        self._fresh_instants += instants
        self.n_emitted += len(instants)

    def take_instants(self) -> list[int]:
        """Hand over the instants of the tokens put out since the last time."""
        instants, self._fresh_instants = self._fresh_instants, []
        return instants

"""One generation request and its raw answer: bytes with stamps, whatever happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from dualollama_pipeline.core.credentials import Credentials
from dualollama_pipeline.core.records import Failure, FailureKind
from dualollama_pipeline.transport.failures import excerpt, retry_after_s
from dualollama_pipeline.transport.stamps import Stamps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dualollama_pipeline.transport.answer import Answer

# Fills an answer from a body's pieces, their stamps (ns) and the model that was asked.
Reader = Callable[["Answer", Sequence[bytes], Sequence[int], str], None]


@dataclass
class Exchange:
    """One generation request and the raw answer.

    `ended_ns` is on the clock of `stamps`. `failure` is set
    when the exchange itself went wrong; an answer can still turn out bad when it is parsed, by the
    `reader` of the client that sent it.
    """

    url: str
    model: str
    phase: Literal["connect", "waiting", "streaming", "final"] = "connect"
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stamps: Stamps = field(default_factory=Stamps)
    ended_ns: int | None = None
    failure: Failure | None = None
    credentials: Credentials = field(default_factory=Credentials)
    reader: Reader | None = None

    @property
    def pieces(self) -> list[bytes]:
        """The body as it arrived, a piece for each read."""
        return self.stamps.pieces

    def fail(self, kind: FailureKind, text: str, body_excerpt: str | None = None) -> None:
        """Record what went wrong, once: the first finding is the cause.

        Without an excerpt of its own it keeps the end of what had arrived.
        """
        if self.failure is None:
            said = body_excerpt or excerpt(b"".join(self.pieces))
            self.failure = Failure(
                kind=kind,
                text=self.credentials.hidden(text),
                url=self.url,
                model=self.model,
                phase=self.phase,
                http_status=self.status,
                body_excerpt=None if said is None else self.credentials.hidden(said),
                retry_after_s=retry_after_s(self.headers),
            )

    def read(self, answer: Answer) -> None:
        """Fill `answer` from the body.

        Raises:
            StreamError: the body is no answer; `answer` then holds what came before.
        """
        if self.reader is not None:
            self.reader(answer, self.pieces, self.stamps.received_ns, self.model)

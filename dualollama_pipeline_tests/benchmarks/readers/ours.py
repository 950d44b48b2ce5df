"""Our own reader, doing what it does in a trial: collect while the stream runs, parse after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.specs import Deadlines
from dualollama_pipeline.ollama.client import OllamaClient
from dualollama_pipeline.ollama.stream import read_answer, split_lines
from dualollama_pipeline.transport.answer import Answer
from dualollama_pipeline.transport.exchange import Exchange
from dualollama_pipeline_tests.benchmarks.reading import MODEL, Reading, told

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping


class OurReader:
    """A client for each stream, as each agent of a trial has one."""

    async def open(self, url: str, streams: int) -> None:
        self._url = url
        self._clients = [OllamaClient(url, Deadlines()) for _ in range(streams)]
        self._exchanges: list[Exchange] = []
        self._answers: list[Answer] = []
        for client in self._clients:
            await client.greet()  # as trial.py does: opens the connection, off the clock

    def read(self, stream: int, body: Mapping[str, Any]) -> Coroutine[Any, Any, None]:
        """Build the request at once, as agents.py does before the barrier; return the exchange."""
        exchange = Exchange(url=self._url, model=MODEL)
        self._exchanges.append(exchange)
        client = self._clients[stream]
        return client.perform(client.prepare(body, {}, exchange), exchange)

    def finish(self) -> None:
        for exchange in self._exchanges:
            if exchange.failure is not None:
                raise RuntimeError(exchange.failure.text)
            answer = Answer()
            read_answer(answer, exchange.pieces, exchange.stamps.received_ns, exchange.model)
            self._answers.append(answer)

    def take(self) -> list[Reading]:
        pairs = zip(self._exchanges, self._answers, strict=True)
        readings = [_reading(exchange, answer) for exchange, answer in pairs]
        self._exchanges.clear()
        self._answers.clear()
        return readings

    async def close(self) -> None:
        for client in self._clients:
            await client.__aexit__(None, None, None)


def _reading(exchange: Exchange, answer: Answer) -> Reading:
    """Put the server's own stamps, which an Answer does not keep, beside ours."""
    lines = split_lines(exchange.pieces, exchange.stamps.received_ns)
    truths = [truth for line, _, _ in lines if (truth := told(line)) is not None]
    written: list[Any] = [truth[0] for truth in truths] or [None] * len(answer.texts)
    return Reading(
        exchange.stamps.sent_ns or 0,
        list(zip(answer.received_ns, answer.texts, written, strict=True)),
        truths[0][1] if truths else None,
    )

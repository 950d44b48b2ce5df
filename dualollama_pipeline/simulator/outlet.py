"""The way of one call's records from the world to its client.

Here: a buffer between the conductor, which fills it at an instant, and the HTTP answer, which
empties it at the network's pace. Statuses are chosen here; bytes are sent in `answer.py`.
"""

import asyncio
import json
from collections import deque

from dualollama_pipeline.simulator.asked import Asked
from dualollama_pipeline.simulator.call import Call, Ending
from dualollama_pipeline.simulator.events import as_event, error_body, final_events, token_events
from dualollama_pipeline.simulator.lines import (
    as_line,
    bare_record,
    final_record,
    said,
    token_lines,
    unfinished_record,
)
from dualollama_pipeline.simulator.trial import Member
from dualollama_pipeline.simulator.words import answer_texts


class Outlet:
    """Records of one open call, in order. `status` is None until the first of them is known."""

    def __init__(self, call: Call, asked: Asked, member: Member | None) -> None:
        self.call = call
        self.member = member
        self.is_ndjson = asked.is_stream and bool(asked.prompt)
        self.status: int | None = None
        self.is_closed = False
        self.news = asyncio.Event()
        self._model = asked.model
        self._is_chat = asked.is_chat
        self.is_openai = asked.is_openai
        self._texts: list[str] = []
        self._chunks: deque[bytes] = deque()

    def collect(self, *, is_bulk: bool) -> None:
        """Take what the world has put out: one chunk for all of it, or one per record."""
        lines = self._new_token_lines()
        if self.call.ending is not None:
            lines += self._last_lines(self.call.ending)
        if lines:
            if self.status is None:
                self.status = 400 if self.call.ending is Ending.REFUSED else 200
            self._chunks.extend([_joined(lines)] if is_bulk else [line.encode() for line in lines])
        if lines or self.call.ending is not None:
            self.is_closed = self.call.ending is not None
            self.news.set()

    def fail(self, status: int, message: str) -> None:
        """End with an error: a status if nothing was sent yet, a line in the stream otherwise."""
        is_stream = self.status is not None
        if self.status is None:
            self.status = status
        said = as_line({"error": message})
        if self.is_openai:
            body = json.dumps(error_body(status, message))
            said = as_event(body) if is_stream else body
        self._chunks.append(said.encode())
        self.is_closed = True
        self.news.set()

    def take(self) -> list[bytes]:
        """Hand over the chunks that wait to be sent."""
        chunks = list(self._chunks)
        self._chunks.clear()
        self.news.clear()
        return chunks

    def _new_token_lines(self) -> list[str]:
        instants = self.call.take_instants()
        if not instants:
            return []
        if not self._texts:
            self._texts = answer_texts(self.call.draws, self.call.n_tokens)
        if not self.is_ndjson:
            return []
        first = self.call.n_emitted - len(instants)
        texts = self._texts[first : self.call.n_emitted]
        if self.is_openai:
            return token_events(self._model, instants, texts)
        return token_lines(self._model, instants, texts, is_chat=self._is_chat)

    def _last_lines(self, ending: Ending) -> list[str]:
        call, model = self.call, self._model
        text = "" if self.is_ndjson else "".join(self._texts[: call.n_emitted])
        words = said(text, is_chat=self._is_chat)
        if self.is_openai:
            refusal = [json.dumps(error_body(400, call.refusal))]
            events = {Ending.FINAL: final_events(model, call), Ending.REFUSED: refusal}
            return events.get(ending, [])
        if ending is Ending.REFUSED:
            return [as_line({"error": call.refusal})]
        if ending is Ending.LOADED:
            return [as_line(bare_record(model, call.ended_ns or 0, "load", words))]
        if ending is Ending.FINAL:
            return [as_line(final_record(model, call, words))]
        if ending is Ending.SILENT and not self.is_ndjson:
            return [as_line(unfinished_record(model, call, words))]
        return []


def _joined(lines: list[str]) -> bytes:
    return "".join(lines).encode()

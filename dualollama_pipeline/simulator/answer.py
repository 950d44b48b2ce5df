"""One answer on the wire: headers with the first record, then chunk by chunk.

Here: sending, and noticing that the client is gone. What is sent was decided in `outlet.py`.
"""

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dualollama_pipeline.simulator.conductor import Conductor
from dualollama_pipeline.simulator.outlet import Outlet

RECEIVED_HEADER = "X-Simulated-Received-Ns"
_OK = 200


class CallAnswer(Response):
    """Streams an outlet. Like Ollama it sends its status only when the first record is there."""

    def __init__(self, outlet: Outlet, conductor: Conductor) -> None:
        super().__init__()
        self._outlet = outlet
        self._conductor = conductor
        self._is_delivered = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the call has ended or the client has gone."""
        del scope
        watcher = asyncio.ensure_future(self._watch_client(receive))
        try:
            await self._send_all(send)
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
            if not self._is_delivered:
                self._conductor.lose(self._outlet)

    async def _watch_client(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._is_delivered:
            self._conductor.lose(self._outlet)

    async def _send_all(self, send: Send) -> None:
        outlet = self._outlet
        is_started = False
        while True:
            await outlet.news.wait()
            is_closed = outlet.is_closed
            chunks = outlet.take()
            if not is_started:
                await send(self._start())
                is_started = True
            for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if is_closed:
                await send({"type": "http.response.body", "body": b""})
                self._is_delivered = True
                return

    def _start(self) -> dict[str, object]:
        outlet = self._outlet
        is_stream = outlet.is_ndjson and outlet.status == _OK
        stream_type = "text/event-stream" if outlet.is_openai else "application/x-ndjson"
        media_type = stream_type if is_stream else "application/json; charset=utf-8"
        headers = [
            (b"content-type", media_type.encode()),
            (RECEIVED_HEADER.lower().encode(), str(outlet.call.received_ns).encode()),
        ]
        return {"type": "http.response.start", "status": outlet.status or _OK, "headers": headers}

"""What assets are given: the bench they measure on. A plain object; it holds no Dagster state."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import Servers
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.study import study_of
from dualollama_pipeline.worker.journal import Journal

Event = dict[str, Any]


def _nobody_listens(event: Event) -> None:
    """Ignore an event."""


@dataclass(frozen=True)
class Bench:
    """Settings, and the servers if their owner keeps them open over several runs."""

    settings: Settings
    servers: Servers | None = None
    on_event: Callable[[Event], None] = _nobody_listens

    @contextmanager
    def open_servers(self) -> Iterator[Servers]:
        """Yield the servers that are open, or some for as long as they are needed."""
        if self.servers is not None:
            yield self.servers
        else:
            with Servers(self.settings) as servers:
                yield servers

    def measure(self, config_id: str, batch_id: str, on_event: Callable[[Event], None]) -> Journal:
        """Measure one configuration; `on_event` hears of progress, and so does the owner."""

        def both(event: Event) -> None:
            self.on_event(event)
            on_event(event)

        wanted = study_of(self.settings).get(config_id)
        with self.open_servers() as servers:
            return Measurement(self.settings, servers.of(wanted.servers), both).run(
                wanted, batch_id
            )

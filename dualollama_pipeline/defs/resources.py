"""What assets are given: the bench they measure on. A plain object; it holds no Dagster state."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import ServerPair, open_pair
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.worker.journal import Journal

Event = dict[str, Any]


def _nobody_listens(event: Event) -> None:
    """Ignore an event."""


@dataclass(frozen=True)
class Bench:
    """Settings, and the server pair if its owner keeps one open over several runs."""

    settings: Settings
    pair: ServerPair | None = None
    on_event: Callable[[Event], None] = _nobody_listens

    @contextmanager
    def open_pair(self) -> Iterator[ServerPair]:
        """Yield the pair that is open, or one for as long as it is needed."""
        if self.pair is not None:
            yield self.pair
        else:
            with open_pair(self.settings) as pair:
                yield pair

    def measure(self, config_id: str, batch_id: str, on_event: Callable[[Event], None]) -> Journal:
        """Measure one configuration; `on_event` hears of progress, and so does the owner."""

        def both(event: Event) -> None:
            self.on_event(event)
            on_event(event)

        with self.open_pair() as pair:
            return Measurement(self.settings, pair, both).run(config_id, batch_id)

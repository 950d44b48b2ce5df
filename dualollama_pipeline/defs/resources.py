"""What assets are given: the bench they measure on, from the environment and a run's own words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import Servers
from dualollama_pipeline.core.errors import InputError
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

    def told(self, config: dg.Config | dg.ConfigurableResource) -> "Bench":
        """Return the bench with what a run's configuration says.

        Raises:
            InputError: a value cannot be used; names it.
        """
        return replace(self, settings=self.settings.told(_said(config)))

    def link(self, page: Path) -> dg.UrlMetadataValue:
        """Return where `dualollama ui` serves a page: browsers follow no link to a file."""
        return dg.MetadataValue.url(f"{self.settings.report_url}/{page.name}")

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


class TrialsConfig(dg.Config):
    """How much is measured, where a run is to differ from study and environment."""

    blocks: int | None = Field(default=None, description="repetitions of all arms, 1 to 1000")
    workload: str | None = Field(default=None, description="standard or parity")


class BenchOfRun(dg.ConfigurableResource):
    """The bench of the environment; a run may name other servers or another patience."""

    servers: str | None = Field(default=None, description="simulated, external or managed")
    url: dict[str, str] | None = Field(default=None, description="by server: http://HOST:PORT")
    model: str | None = Field(default=None, description="for agents that name none in the study")
    hold_length: bool | None = Field(
        default=None, description="end answers at one number of tokens"
    )
    connect_s: float | None = Field(default=None, description="most seconds to reach a server")
    load_s: float | None = Field(default=None, description="most seconds to load a model")
    first_token_s: float | None = Field(default=None, description="most seconds to a first token")
    idle_s: float | None = Field(default=None, description="most seconds between two tokens")
    total_s: float | None = Field(default=None, description="most seconds of one answer")
    return_s: float | None = Field(
        default=None, description="most seconds until a lost server is back"
    )

    def create_resource(self, _: dg.InitResourceContext) -> Bench:
        """Return a bench; a value that cannot be used fails the run with a sentence."""
        try:
            return Bench(Settings.from_environment()).told(self)
        except InputError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error


def run_config(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return by job what its runs are configured with to be as these settings ask.

    All of it, also what nobody changed: the daemon's environment may say otherwise.
    """
    told = settings.model_dump(mode="json", exclude_none=True)
    bench = {name: told[name] for name in BenchOfRun.model_fields if name in told}
    trials = {name: told[name] for name in TrialsConfig.model_fields if name in told}
    resources = {"resources": {"bench": {"config": bench}}}
    ops = {"ops": {"benchmark_trials": {"config": trials}}}
    return {"trials_job": resources | ops, "report_job": resources}


def _said(config: dg.Config | dg.ConfigurableResource) -> dict[str, Any]:
    return {name: value for name, value in config.model_dump().items() if value is not None}

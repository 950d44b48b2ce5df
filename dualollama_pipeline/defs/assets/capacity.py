"""Group `advice`: how many agents of one model fit on the servers."""

import dagster as dg

from dualollama_pipeline.bench.capacity import MOST, measure_capacity
from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.defs.assets.servers import servers
from dualollama_pipeline.defs.resources import Bench, Event
from dualollama_pipeline.pipeline import make_capacity


class CapacityConfig(dg.Config):
    """How far to go."""

    most: int = MOST


@dg.asset(
    group_name="advice",
    deps=[*servers, "study"],
    kinds={"ollama", "parquet", "html"},
    description=(
        "One model, more and more equal agents, each with a server and all on one: throughput, "
        "TTFT, weighted speedup, and how many are within the study's service levels. Measures when "
        "it is materialized; no job does that by itself."
    ),
)
def capacity(
    context: dg.AssetExecutionContext, bench: dg.ResourceParam[Bench], config: CapacityConfig
) -> dg.MaterializeResult:
    """Measure 1 to `most` agents and make the page."""

    def log(event: Event) -> None:
        if event["event"] == "notice":
            context.log.info(event["text"])

    try:
        made = make_capacity(bench.settings, measure_capacity(bench.settings, config.most, log))
    except DualOllamaError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    return dg.MaterializeResult(
        metadata={
            "answer": dg.MetadataValue.md("\n\n".join(made.lines)),
            "report": bench.link(made.page),
            "dagster/row_count": len(made.table),
            "tok_per_s": float(made.table["tok_per_s"].max()),
        }
    )

"""Group `trials`: measuring one configuration, all four arms in randomised blocks."""

from collections import Counter

import dagster as dg

from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.defs.assets.servers import servers
from dualollama_pipeline.defs.batches import batch_of
from dualollama_pipeline.defs.partitions import configurations
from dualollama_pipeline.defs.resources import Bench, Event


@dg.asset(
    group_name="trials",
    partitions_def=configurations,
    deps=[*servers, "study", "benchmark_corpus"],
    kinds={"ollama", "json"},
    description=(
        "All trials of one configuration: each block holds a baseline of each agent alone, "
        "all of them apart (each on its own server) and shared (on one), in randomised order. A "
        "failed call is a row, not a failed asset; the journal is the evidence."
    ),
)
def benchmark_trials(
    context: dg.AssetExecutionContext, bench: dg.ResourceParam[Bench]
) -> dg.MaterializeResult:
    """Run the worker on this partition's configuration."""

    def log(event: Event) -> None:
        if event["event"] == "waiting":
            context.log.info(f"the server pair is in use by {event['holder']}; waiting")
        elif event["event"] == "notice":
            context.log.warning(event["text"])
        elif event["finished"] % 4 == 0 or event["status"] != "ok":
            context.log.info(
                f"{event['finished']}/{event['planned']} trials, block {event['block']} "
                f"{event['arm']}: {event['status']} {' '.join(event['failures'])}"
            )

    try:
        journal = bench.measure(context.partition_key, batch_of(context.run), log)
    except DualOllamaError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    if journal.cut_off_by is not None:
        context.log.error(journal.cut_off_by)
    why = journal.cut_off_by or "it was stopped"
    incomplete = {} if journal.end is not None else {"incomplete": why}
    statuses = Counter(trial.status.value for trial in journal.trials)
    return dg.MaterializeResult(
        metadata={
            "origin": journal.origin.value,
            "batch_id": journal.path.stem,
            "journal": dg.MetadataValue.path(journal.path),
            "attempts": len(journal.trials),
            **incomplete,
            **{f"attempts_{status}": count for status, count in sorted(statuses.items())},
        }
    )

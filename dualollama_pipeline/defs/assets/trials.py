"""Group `trials`: measuring one configuration, all arms in randomised blocks."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import dagster as dg

from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.assets.inputs import seen_corpus, seen_study
from dualollama_pipeline.defs.assets.servers import seen_by, servers
from dualollama_pipeline.defs.batches import batch_of, is_asked_anew
from dualollama_pipeline.defs.partitions import configurations
from dualollama_pipeline.defs.resources import Bench, Event, TrialsConfig
from dualollama_pipeline.worker.journal import Journal, is_finished


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
    context: dg.AssetExecutionContext, bench: dg.ResourceParam[Bench], config: TrialsConfig
) -> dg.MaterializeResult:
    """Run the worker on this partition's configuration."""

    def log(event: Event) -> None:
        if event["event"] == "waiting":
            context.log.info(f"the servers are in use by {event['holder']}; waiting")
        elif event["event"] == "notice":
            context.log.warning(event["text"])
        elif event["finished"] % 4 == 0 or event["status"] != "ok":
            context.log.info(
                f"{event['finished']}/{event['planned']} trials, block {event['block']} "
                f"{event['arm']}: {event['status']} {' '.join(event['failures'])}"
            )

    config_id = context.partition_key
    try:
        bench = bench.told(config)
        read = {
            "study": seen_study(bench.settings),
            "benchmark_corpus": seen_corpus(bench.settings),
        }
        batch_id = _batch(context.run, Warehouse(bench.settings.warehouse), config_id)
        journal = bench.measure(config_id, batch_id, log)
    except DualOllamaError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    if journal.cut_off_by is not None:
        context.log.error(journal.cut_off_by)
    _observe(context, read | seen_by(journal, bench.settings))
    why = journal.cut_off_by or "it was stopped"
    incomplete = {} if journal.end is not None else {"incomplete": why}
    statuses = Counter(trial.status.value for trial in journal.trials)
    return dg.MaterializeResult(
        metadata={
            **_told(journal),
            "origin": journal.origin.value,
            "batch_id": journal.path.stem,
            "journal": dg.MetadataValue.path(journal.path),
            "attempts": len(journal.trials),
            **incomplete,
            **{f"attempts_{status}": count for status, count in sorted(statuses.items())},
        }
    )


def _batch(run: dg.DagsterRun, warehouse: Warehouse, config_id: str) -> str:
    """Return the batch of a run; executed again by a person, what is whole is measured anew."""
    batch_id = batch_of(run)
    journal = warehouse.journal(config_id, batch_id)
    if is_asked_anew(run) and journal.exists() and is_finished(journal):
        return run.run_id
    return batch_id


def _observe(context: dg.AssetExecutionContext, found: Mapping[str, dg.ObserveResult]) -> None:
    """Note what was measured on, as the versions that these trials rest on."""
    for name, each in found.items():
        tags = {"dagster/data_version": each.data_version.value} if each.data_version else {}
        context.log_event(dg.AssetObservation(name, metadata=each.metadata, tags=tags))
    # Dagster looked when the step began: the trials would be stale as soon as they are made
    context.get_step_execution_context().fetch_external_input_asset_version_info()


def _told(journal: Journal) -> dict[str, Any]:
    """Return the answer and what Dagster's plots compare; nothing where no table can be made."""
    from dualollama_pipeline.report.configuration import tell  # noqa: PLC0415 imports pandas
    from dualollama_pipeline.tables.latest import tables_of  # noqa: PLC0415

    try:
        told = tell(tables_of(journal.path))
    except DualOllamaError as error:
        return {"answer": str(error)}
    simulated = ("SIMULATED: no real servers",) if journal.origin == "simulated" else ()
    answer = "\n\n".join((*simulated, *told.sentences))
    return {**({"answer": dg.MetadataValue.md(answer)} if answer else {}), **told.figures}

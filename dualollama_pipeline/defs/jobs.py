"""The jobs: measuring (partitioned), what is computed from it (once), and whole campaigns.

One job of measuring and report would render the report once for each partition.
"""

from collections.abc import Iterable
from itertools import chain, count

import dagster as dg

from dualollama_pipeline.defs.assets import inputs
from dualollama_pipeline.defs.assets.servers import servers
from dualollama_pipeline.defs.partitions import STUDY

COMPUTED = ("statistics", "tr114", "report")
CAMPAIGN_TAG = "dualollama/configurations"
A_DAY, AN_HOUR = ({"dagster/max_runtime": seconds} for seconds in (24 * 3600, 3600))

trials_job = dg.define_asset_job(
    "trials_job",
    selection=dg.AssetSelection.groups("trials", "tables"),
    description="Measure one configuration and build its tables.",
    tags=A_DAY,
)
tables_job = dg.define_asset_job(
    "tables_job",
    selection=dg.AssetSelection.groups("tables"),
    description="Build one configuration's tables from its journal; report_sensor launches it.",
    tags=AN_HOUR,
)
report_job = dg.define_asset_job(
    "report_job",
    selection=dg.AssetSelection.groups(*COMPUTED),
    description="Statistics and the comparison report over all configurations measured so far.",
    tags=AN_HOUR,
)
observe_job = dg.define_asset_job(
    "observe_job",
    selection=[
        *servers,
        inputs.study,
        inputs.benchmark_corpus,
        inputs.cost_inputs,
        inputs.service_levels,
    ],
    description="Look at the servers and at what a person writes: what changed since?",
)


def _campaign(name: str, config_ids: list[str], description: str) -> dg.JobDefinition:
    """Return a job that asks for a batch; campaign_sensor launches a run for each configuration.

    Dagster binds a job over partitioned assets to all their partitions, so a campaign over some
    of them is a request of its own.
    """

    @dg.op(name=f"ask_for_{name}", description=description, out=dg.Out(dg.Nothing))
    def ask(context: dg.OpExecutionContext) -> None:
        context.log.info(
            f"batch {context.run.run_id}: {', '.join(config_ids)}; campaign_sensor launches them"
        )

    @dg.job(
        name=f"{name}_job",
        description=f"{description} Needs campaign_sensor to be on.",
        tags={CAMPAIGN_TAG: ",".join(config_ids)},
    )
    def campaign() -> None:
        ask()

    return campaign


TAKEN = ("trials", "tables", "report", "observe", "alarm", "smoke")  # names of other jobs


def job_names(scenarios: Iterable[str]) -> dict[str, str]:
    """Return by scenario a name that Dagster takes and that no other job has."""
    names: dict[str, str] = {}
    for scenario in scenarios:
        wanted = scenario.replace("-", "_").casefold()
        wanted = f"scenario_{wanted}" if wanted in TAKEN else wanted
        further = (f"{wanted}_{n}" for n in count(2))
        taken = set(names.values())
        names[scenario] = next(name for name in chain([wanted], further) if name not in taken)
    return names


scenario_jobs = [
    _campaign(
        name,
        [entry.config_id for entry in STUDY.configurations if entry.scenario == scenario],
        f"Measure all configurations of {scenario}.",
    )
    for scenario, name in job_names(STUDY.scenarios).items()
]
smoke_job = _campaign("smoke", STUDY.config_ids[:1], "Measure the first configuration only.")
campaign_jobs = [*scenario_jobs, smoke_job]

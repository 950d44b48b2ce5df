"""Everything that Dagster shows, assembled around a bench in one place."""

import dagster as dg

from dualollama_pipeline.defs import io_managers
from dualollama_pipeline.defs.alarms import (
    alarm_job,
    alarm_sensor,
    night_sensor,
    notify_sensor,
)
from dualollama_pipeline.defs.assets import capacity, inputs, servers, tables, trials
from dualollama_pipeline.defs.assets.computed import comparison_report, computed, tr114_report
from dualollama_pipeline.defs.checks import cells_are_valid
from dualollama_pipeline.defs.jobs import (
    campaign_jobs,
    observe_job,
    report_job,
    tables_job,
    trials_job,
)
from dualollama_pipeline.defs.resources import Bench, BenchOfRun
from dualollama_pipeline.defs.schedules import nightly_schedule, observe_schedule
from dualollama_pipeline.defs.sensors import campaign_sensor, report_sensor


def build_definitions(bench: Bench | BenchOfRun) -> dg.Definitions:
    """Assemble the definitions around a bench; tests and `dualollama run` bring their own."""
    return dg.Definitions(
        assets=[
            *servers.servers,
            *dg.load_assets_from_modules([inputs, trials, tables, capacity]),
            *computed,
            comparison_report,
            tr114_report,
        ],
        asset_checks=[cells_are_valid],
        jobs=[trials_job, tables_job, report_job, observe_job, alarm_job, *campaign_jobs],
        schedules=[nightly_schedule, observe_schedule],
        sensors=[campaign_sensor, report_sensor, alarm_sensor, night_sensor, notify_sensor],
        resources={"bench": bench, "io_manager": io_managers.tables},
        # One process for all steps of a run: starting one for each costs more than they do.
        executor=dg.in_process_executor,
    )

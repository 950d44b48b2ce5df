"""The code location: everything that Dagster shows, assembled in one place."""

import dagster as dg

from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.defs.assets import inputs, report, servers, statistics, tables, trials
from dualollama_pipeline.defs.io_managers import TableIOManager
from dualollama_pipeline.defs.jobs import report_job, trials_job
from dualollama_pipeline.defs.resources import Bench


def build_definitions(bench: Bench) -> dg.Definitions:
    """Assemble the definitions around a bench; tests and `dualollama run` bring their own."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules([servers, inputs, trials, tables, statistics, report]),
        jobs=[trials_job, report_job],
        resources={"bench": bench, "io_manager": TableIOManager(bench.settings)},
        # One process for all steps of a run: starting one for each costs more than they do.
        executor=dg.in_process_executor,
    )


defs = build_definitions(Bench(Settings.from_environment()))

"""The two jobs: measuring (partitioned), and everything that is computed from it (once).

One job of both would render the report once for each partition.
"""

import dagster as dg

trials_job = dg.define_asset_job(
    "trials_job",
    selection=dg.AssetSelection.groups("trials", "tables"),
    description="Measure one configuration and build its tables.",
)
report_job = dg.define_asset_job(
    "report_job",
    selection=dg.AssetSelection.groups("statistics", "report"),
    description="Statistics and the comparison report over all configurations measured so far.",
)

"""The one check: which cells may not count, and what to do about each. Nothing reads its status."""

import dagster as dg

from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.partitions import STUDY
from dualollama_pipeline.defs.resources import Bench


@dg.asset_check(
    asset="config_statistics",
    description="Lists every INVALID cell, why, and what to do; it is left out of all statistics.",
)
def cells_are_valid(bench: dg.ResourceParam[Bench]) -> dg.AssetCheckResult:
    """List the INVALID cells of all configurations measured so far."""
    from dualollama_pipeline.tables.listing import invalid_cells  # noqa: PLC0415 imports pandas

    listing = invalid_cells(Warehouse(bench.settings.warehouse).tables, STUDY.config_ids)
    n_bad = listing.n_invalid + listing.n_damaged
    return dg.AssetCheckResult(
        passed=n_bad + listing.n_warned == 0,
        severity=dg.AssetCheckSeverity.ERROR if n_bad else dg.AssetCheckSeverity.WARN,
        description=(
            f"{listing.n_invalid} of {listing.n_cells} cells are INVALID, {listing.n_warned} count "
            "with a warning; "
            f"{listing.n_damaged} configurations have damaged tables"
        ),
        metadata={
            "cells": listing.n_cells,
            "invalid": listing.n_invalid,
            "warned": listing.n_warned,
            "damaged": listing.n_damaged,
            "listing": dg.MetadataValue.md(listing.markdown),
        },
    )

"""The sections of the report, in the order in which a reader meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report.sections import (
    appendices,
    configurations,
    contention,
    course,
    delays,
    factors,
    nights,
    outliers,
    overview,
    rankings,
    ruler,
    scenarios,
    two_or_one,
    validity,
)

if TYPE_CHECKING:
    from dualollama_pipeline.report.sections.chapter import Builder

SECTIONS: tuple[Builder, ...] = (
    overview.build,
    configurations.build,
    rankings.build,
    scenarios.build,
    two_or_one.build,
    course.build,
    delays.build,
    factors.build,
    outliers.build,
    contention.build,
    nights.build,
    validity.build,
    ruler.build,
    appendices.build_configurations,
    appendices.build_formulas,
    appendices.build_glossary,
)

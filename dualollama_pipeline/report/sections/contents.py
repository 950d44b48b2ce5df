"""The sections of the report, in the order in which a reader meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report.sections import (
    appendices,
    audit,
    configurations,
    contention,
    costs,
    course,
    decisions,
    delays,
    factors,
    nights,
    outliers,
    published,
    rankings,
    ruler,
    scenarios,
    service_levels,
    two_or_one,
    validity,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary
    from dualollama_pipeline.report.sections.chapter import Chapter

BUILDERS: tuple[Callable[[ReportInputs, Summary], Chapter], ...] = (
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
    published.build,
    audit.build,
    validity.build,
    ruler.build,
    decisions.build_tiers,
    decisions.build_warnings,
    costs.build,
    service_levels.build,
    appendices.build_configurations,
    appendices.build_formulas,
    appendices.build_glossary,
)


def build_sections(inputs: ReportInputs, summary: Summary) -> list[Chapter]:
    """Build all sections; `summary` has everything but them."""
    return [build(inputs, summary) for build in BUILDERS]

"""The sections about the document TR114, in the order in which a reader meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.tr114.sections import audit, costs, decisions, published, service_levels

if TYPE_CHECKING:
    from dualollama_pipeline.report.sections.chapter import Builder

WING: tuple[Builder, ...] = (
    published.build,
    audit.build,
    decisions.build_tiers,
    decisions.build_warnings,
    costs.build,
    service_levels.build,
)
